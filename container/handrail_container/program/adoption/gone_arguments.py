"""What becomes of an argument that vLLM has no more, by its value."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from handrail_container.program.adoption.old_names import ARGUMENTS, Dropped, Unavailable
from handrail_container.program.config_field import Outcome

_GONE = "no argument of vLLM any more"
NO_GPU = "there is no GPU for it"


@dataclass(frozen=True)
class ArgumentRuling:
    """`flags` are arguments of vLLM's by their names, with values; dicts of one name are merged in the end."""

    outcome: Outcome
    note: str = ""
    flags: Mapping[str, Any] = field(default_factory=dict)
    needs_gpu: bool = False


def ruling(name: str, given: Mapping[str, Any], *, has_gpu: bool) -> ArgumentRuling:
    """The ruling on `name`, one of `ARGUMENTS`, in the light of all arguments that are given."""
    value, gone = given[name], ARGUMENTS[name]
    if value is None or value == gone.default:
        return _ignored(f"{_GONE}, and the value is what vLLM did without it")
    if isinstance(gone.fate, Dropped):
        rule = _SPECIAL.get(name)
        return rule(name, given, has_gpu) if rule else _ignored(f"{_GONE}: {gone.fate.why}")
    if isinstance(gone.fate, Unavailable):
        return ArgumentRuling(Outcome.REFUSED, f"{_GONE}: {gone.fate.instead}. Remove it")
    return _SPECIAL[name](name, given, has_gpu)


Rule = Callable[[str, Mapping[str, Any], bool], ArgumentRuling]


def _ignored(note: str, *, needs_gpu: bool = False) -> ArgumentRuling:
    return ArgumentRuling(Outcome.IGNORED, note, needs_gpu=needs_gpu)


def _mapped(**flags: Any) -> ArgumentRuling:
    return ArgumentRuling(Outcome.MAPPED, flags=flags)


def _renamed(flag: str) -> Rule:
    return lambda name, given, has_gpu: _mapped(**{flag: given[name]})


def _part(flag: str, key: str) -> Rule:
    """The argument is one key of what is now an argument with a dict."""
    return lambda name, given, has_gpu: _mapped(**{flag: {key: given[name]}})


def _instead(**flags: Any) -> Rule:
    return lambda name, given, has_gpu: _mapped(**flags)


_TASKS: Mapping[str, Mapping[str, str]] = {
    "generate": {"runner": "generate"},
    "transcription": {"runner": "generate"},
    "embed": {"runner": "pooling", "convert": "embed"},
    "embedding": {"runner": "pooling", "convert": "embed"},
    "classify": {"runner": "pooling", "convert": "classify"},
    "score": {"runner": "pooling", "convert": "classify"},
    "reward": {"runner": "pooling"},
}


def _task(name: str, given: Mapping[str, Any], has_gpu: bool) -> ArgumentRuling:
    flags = _TASKS.get(str(given[name]))
    if flags is None:
        return ArgumentRuling(
            Outcome.REFUSED, f"{given[name]!r} is no task of vLLM's: write one of {', '.join(_TASKS)}"
        )
    return _mapped(**flags)


def _device(name: str, given: Mapping[str, Any], has_gpu: bool) -> ArgumentRuling:
    kind = str(given[name]).partition(":")[0]
    if kind == ("cuda" if has_gpu else "cpu"):
        return _ignored(f"{_GONE}: the build of vLLM says which device it computes on")
    if kind == "cuda":
        return _ignored(NO_GPU, needs_gpu=True)
    build = "CUDA" if has_gpu else "CPUs"
    return ArgumentRuling(Outcome.REFUSED, f'"{given[name]}" is asked for, and this is a build for {build}. Remove it')


def _guided_backend(name: str, given: Mapping[str, Any], has_gpu: bool) -> ArgumentRuling:
    """The old value may carry options: `xgrammar:disable-any-whitespace,no-fallback`."""
    backend, _, options = str(given[name]).partition(":")
    switches = {option.replace("-", "_"): True for option in options.split(",") if option.startswith("disable-")}
    return _mapped(structured_outputs_config={"backend": backend, **switches})


def _speculative(key: str) -> Rule:
    def rule(name: str, given: Mapping[str, Any], has_gpu: bool) -> ArgumentRuling:
        model = given.get("speculative_model")
        if model is None:
            return _ignored("there is no speculative_model, whose it is")
        if model == "[ngram]" and not has_gpu:
            return _ignored(f"{NO_GPU}, and answers are the same without it", needs_gpu=True)
        value = {"method": "ngram"} if given[name] == "[ngram]" else {key: given[name]}
        return _mapped(speculative_config=value)

    return rule


def _dict(value: Any) -> dict[str, Any]:
    """A dict, or the JSON of one, as a command line has it; empty for anything else."""
    with contextlib.suppress(TypeError, ValueError):
        return dict(json.loads(value) if isinstance(value, str) else value)
    return {}


def _positions(name: str, given: Mapping[str, Any], has_gpu: bool) -> ArgumentRuling:
    """vLLM takes both in one dict, which replaces the model's own: without the base it would compute another one's."""
    scaling = _dict(given.get("rope_scaling"))
    base = given.get("rope_theta") or scaling.get("rope_theta")
    kind = scaling.pop("type", None) or scaling.get("rope_type")
    if base is None or kind is None:
        return ArgumentRuling(
            Outcome.REFUSED,
            f"{_GONE}: write hf_overrides with all of "
            '{"rope_parameters": {"rope_type": …, "rope_theta": …, …}}, which take the place of the model\'s own',
        )
    return _mapped(hf_overrides={"rope_parameters": {**scaling, "rope_type": kind, "rope_theta": base}})


_SPECIAL: Mapping[str, Rule] = {
    "task": _task,
    "device": _device,
    "cuda_graph_sizes": _renamed("cudagraph_capture_sizes"),
    "guided_decoding_backend": _guided_backend,
    "guided_decoding_disable_any_whitespace": _part("structured_outputs_config", "disable_any_whitespace"),
    "guided_decoding_disable_additional_properties": _part(
        "structured_outputs_config", "disable_additional_properties"
    ),
    "speculative_model": _speculative("model"),
    "speculative_model_quantization": _speculative("quantization"),
    "speculative_draft_tensor_parallel_size": _speculative("draft_tensor_parallel_size"),
    "speculative_max_model_len": _speculative("max_model_len"),
    "num_speculative_tokens": _speculative("num_speculative_tokens"),
    "ngram_prompt_lookup_max": _speculative("prompt_lookup_max"),
    "ngram_prompt_lookup_min": _speculative("prompt_lookup_min"),
    "override_pooler_config": _renamed("pooler_config"),
    "rope_scaling": _positions,
    "rope_theta": _positions,
    "disable_mm_preprocessor_cache": _instead(mm_processor_cache_gb=0),
    "enable_multimodal_encoder_data_parallel": _instead(mm_encoder_tp_mode="data"),
    "num_redundant_experts": _part("eplb_config", "num_redundant_experts"),
    "eplb_window_size": _part("eplb_config", "window_size"),
    "eplb_step_interval": _part("eplb_config", "step_interval"),
    "eplb_log_balancedness": _part("eplb_config", "log_balancedness"),
}
