"""The arguments with which a script builds its engine, as flags of the server's engine: one row for each argument."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from handrail_container.program.adoption import gone_arguments
from handrail_container.program.adoption.argument_texts import Unwritable, limits, parts, shown, text
from handrail_container.program.adoption.gone_arguments import NO_GPU, ArgumentRuling
from handrail_container.program.adoption.late_arguments import late
from handrail_container.program.adoption.old_names import ARGUMENTS
from handrail_container.program.config_field import Field, Outcome

__all__ = ["fields", "late", "unknown"]

_PREFIX = "SM_VLLM_"
_DROP = "HANDRAIL_ADOPT_DROP leaves it out"
#: An argument of `LLM`, and none of the engine.
_CHAT_TEMPLATE = "chat_template"
#: Arguments that are on where nobody says: False is then no default.
_ON = frozenset({"enable_prefix_caching", "enable_chunked_prefill", "async_scheduling"})
#: Flags that take True and a text, and nothing for False.
_NEVER_OFF = frozenset({"hf_token"})
#: Fields of vLLM's that have no flag.
_FLAGLESS = {
    **dict.fromkeys(("_api_process_count", "_api_process_rank"), "vLLM's own, between its processes"),
    "model_weights": "vLLM sets it itself",
    "enable_mm_processor_stats": "vLLM has no flag for it, and it only measures",
}
_OF_PARTS = {"mamba_config": "vLLM has no flag for it: give its fields, as mamba_backend, as arguments"}
_HALVES = frozenset({"half", "float16", "bfloat16"})


def unknown(given: Collection[str], known: Collection[str]) -> list[str]:
    """The names that are neither `known`, vLLM's own arguments, nor gone from it. vLLM's own TypeError is for them."""
    return [name for name in given if name not in known and name not in ARGUMENTS and name != _CHAT_TEMPLATE]


def fields(
    given: Mapping[str, Any], where: str, known: Collection[str], *, has_gpu: bool, dropped: Collection[str] = ()
) -> list[Field]:
    """The result for each argument in `given`, in order; `where` is the construction's file:line.

    `known` are the names of vLLM's arguments. A mapping has their defaults for values: what is given as the default
    counts as not given. Where there are no defaults, False counts as one unless vLLM chooses by itself.
    """
    engine = _Engine(known, dropped, has_gpu)
    rulings = {name: _ruling(name, given, engine) for name in given}
    return [_field(name, where, ruling) for name, ruling in _written(rulings)]


def _field(name: str, where: str, ruling: ArgumentRuling) -> Field:
    flags = {f"{_PREFIX}{flag}": value for flag, value in ruling.flags.items()}
    note = ruling.note or ", ".join(f"{flag}={shown(flag, value)}" for flag, value in flags.items())
    return Field(name, where, ruling.outcome, note, flags, ruling.needs_gpu, is_warned=ruling.needs_gpu)


@dataclass(frozen=True)
class _Engine:
    known: Collection[str]
    dropped: Collection[str]
    has_gpu: bool


def _ruling(name: str, given: Mapping[str, Any], engine: _Engine) -> ArgumentRuling:
    if name in engine.dropped:
        return ArgumentRuling(Outcome.IGNORED, _DROP)
    if name == _CHAT_TEMPLATE:
        return ArgumentRuling(Outcome.USED, "the object's own: its chat() writes prompts by it")
    if name in engine.known:
        return _of_vllm(name, given[name], engine)
    if name in ARGUMENTS:
        return gone_arguments.ruling(name, given, has_gpu=engine.has_gpu)
    return ArgumentRuling(Outcome.REFUSED, "no argument of vLLM, and none that it had. Remove it")


def _of_vllm(name: str, value: Any, engine: _Engine) -> ArgumentRuling:
    if _is_default(name, value, engine.known):
        return ArgumentRuling(Outcome.IGNORED, "vLLM's own default")
    if name in _FLAGLESS:
        return ArgumentRuling(Outcome.IGNORED, _FLAGLESS[name])
    if name == "disable_log_stats":
        return ArgumentRuling(Outcome.IGNORED, "the server's /metrics has vLLM's numbers")
    if name in _OF_PARTS:
        return ArgumentRuling(Outcome.REFUSED, _OF_PARTS[name])
    if not engine.has_gpu and name in _OF_GPUS and _OF_GPUS[name](value):
        return ArgumentRuling(Outcome.IGNORED, NO_GPU, needs_gpu=True)
    return ArgumentRuling(Outcome.MAPPED, flags={name: value})


def _is_default(name: str, value: Any, known: Collection[str]) -> bool:
    if name == "model":
        return False  # vLLM has a default for it, and a script that names it means it
    if value is None or (value is False and name in _NEVER_OFF):
        return True
    if isinstance(known, Mapping):
        default = known[name]
        return type(value) in (type(default), int, float) and bool(value == default)
    return value is False and name not in _ON


def _written(rulings: Mapping[str, ArgumentRuling]) -> Iterator[tuple[str, ArgumentRuling]]:
    """The rulings with texts for values. Dicts that go into one flag are merged, and the flag is named at each."""
    merged: dict[str, dict[str, Any]] = {}
    for name, ruling in rulings.items():
        for flag, value in ruling.flags.items():
            merged[flag] = _merged(merged.get(flag, {}), value, is_own=name == flag)
    for name, ruling in rulings.items():
        yield name, _with_texts(ruling, merged)


def _merged(before: dict[str, Any], value: Any, *, is_own: bool) -> dict[str, Any]:
    """The flag's own argument has the last word."""
    try:
        found = parts(value) or {}
    except Unwritable:
        return before
    return {**before, **found} if is_own else {**found, **before}


def _with_texts(ruling: ArgumentRuling, merged: Mapping[str, dict[str, Any]]) -> ArgumentRuling:
    try:
        flags = dict(_flag(name, value, merged[name]) for name, value in ruling.flags.items())
    except Unwritable as error:
        return ArgumentRuling(Outcome.REFUSED, str(error))
    return ArgumentRuling(ruling.outcome, ruling.note, flags, ruling.needs_gpu)


def _flag(name: str, value: Any, merged: Mapping[str, Any]) -> tuple[str, str]:
    """A flag's name without its prefix, and its text. Raises Unwritable."""
    if value is False:
        return f"NO_{name.upper()}", "true"
    if name == "limit_mm_per_prompt" and isinstance(value, str):
        return name.upper(), limits(value)
    return name.upper(), text(name, merged if parts(value) else value)


def _always(value: Any) -> bool:
    return True


def _is_half(value: Any) -> bool:
    return str(value).removeprefix("torch.") in _HALVES


#: What a machine without a GPU cannot do: whether a value asks for it.
_OF_GPUS: Mapping[str, Callable[[Any], bool]] = {
    "dtype": _is_half,
    "kv_cache_dtype": lambda value: str(value).startswith(("fp8", "nvfp4", "int8")),
    "load_format": lambda value: value == "bitsandbytes",
    **dict.fromkeys(("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"), _always),
    **dict.fromkeys(("prefill_context_parallel_size", "decode_context_parallel_size"), _always),
    **dict.fromkeys(("quantization", "gpu_memory_utilization", "attention_backend", "gdn_prefill_backend"), _always),
    **dict.fromkeys(("block_size",), _always),
    **dict.fromkeys(("disable_custom_all_reduce", "distributed_executor_backend", "cpu_offload_gb"), _always),
    **dict.fromkeys(("cudagraph_capture_sizes", "max_cudagraph_capture_size", "enable_sleep_mode"), _always),
    **dict.fromkeys(("enable_expert_parallel", "all2all_backend", "moe_backend", "device_ids"), _always),
    **dict.fromkeys(("mm_encoder_attn_backend", "kda_prefill_backend", "kda_decode_backend"), _always),
}
