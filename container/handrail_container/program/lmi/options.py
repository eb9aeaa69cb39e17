"""What becomes of each `option.*` of LMI's. An option that is not here is vLLM's own flag."""

from __future__ import annotations

import difflib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

from handrail_container.program.lmi.ruling import (
    NUMBER,
    Place,
    Rule,
    Ruling,
    ignored,
    mapped,
    number,
    one_of,
    passed_on,
    reason,
    refused,
    renamed,
    switch,
    used,
)

#: The model directory's path in the container.
_THERE = "/opt/ml/model"
_S3 = (
    "is not read here: name the folder as the endpoint's ModelDataSource, which SageMaker puts into /opt/ml/model, and "
    "leave this out"
)
_DTYPES = {
    **{"fp16": "float16", "fp32": "float32", "bf16": "bfloat16"},
    **{name: name for name in ("auto", "half", "float", "float16", "float32", "bfloat16")},
}
_VLLM_BATCHES = ignored("vLLM batches as it always does")
_PYTHON = ignored("HANDRAIL_ENGINE names the engine")
_OTHER_ENGINE = "asks for another engine than vLLM: write vllm, or leave it out, if vLLM is to serve the model"
_POOLING = mapped({"RUNNER": "pooling"})
_BY_MODEL = ignored("vLLM reads it from the model")
_SERVICES = ("djl_python.lmi_vllm", "djl_python.huggingface")
_DEFAULT_DRAFTS = "5"

_NO_VLLM = "vLLM has no such flag any more"
_TENSORRT = "TensorRT-LLM's: vLLM has nothing like it"
_NEURON = "for Neuron devices, which are not served here"
_TRANSFORMERS = "of models that LMI runs without vLLM"
_WORKERS = "of LMI's worker processes: one engine serves here"
_SESSIONS = "SAGEMAKER_ENABLE_STATEFUL_SESSIONS, _EXPIRATION and _PATH set sessions here"
_LMCACHE = "LMCache is not in the image: build one FROM it with LMCache, and set kv_transfer_config"

_REASONS = {
    "async_mode": "requests are always answered asynchronously",
    "model_loading_timeout": "the platform's: ContainerStartupHealthCheckTimeoutInSeconds of the endpoint",
    "predict_timeout": "HANDRAIL_INVOCATION_TIMEOUT_S and HANDRAIL_STREAM_TIMEOUT_S set the deadlines here",
    "enable_streaming": 'a request asks for a stream, with "stream": true',
    "max_output_size": "answers have no such bound here",
    "handler": "a handler is found by its mark",
    "input_formatter": "a formatter is found by its mark",
    "modelname": "served_model_name names the model",
    "normalize": "set pooler_config",
    "enable_reasoning": f"{_NO_VLLM}: reasoning_parser switches it on",
    **dict.fromkeys(("enable_stateful_sessions", "sessions_expiration", "sessions_path"), _SESSIONS),
    **dict.fromkeys(("lmcache_config_file", "lmcache_auto_config"), _LMCACHE),
    **dict.fromkeys(("mpi_mode", "parallel_loading", "cluster_size", "waiting_steps"), _WORKERS),
    **dict.fromkeys(("python_executable", "pythonexecutable", "enable_venv"), _WORKERS),
    **dict.fromkeys(("device", "device_map", "low_cpu_mem_usage", "load_in_8bit", "load_in_4bit"), _TRANSFORMERS),
    **dict.fromkeys(("paged_attention", "max_sparsity", "max_splits", "decoding_strategy"), _TRANSFORMERS),
    **dict.fromkeys(("use_v2_block_manager", "lora_extra_vocab_size", "long_lora_scaling_factors"), _NO_VLLM),
    **dict.fromkeys(("num_scheduler_steps", "multi_step_stream_outputs", "preemption_mode"), _NO_VLLM),
    **dict.fromkeys(("guided_decoding_backend", "swap_space", "disable_log_requests"), _NO_VLLM),
    **dict.fromkeys(("max_seq_len_to_capture", "scheduler_delay_factor", "num_lookahead_slots"), _NO_VLLM),
    **dict.fromkeys(("max_input_len", "max_output_len", "max_num_tokens", "max_beam_width"), _TENSORRT),
    **dict.fromkeys(("use_custom_all_reduce", "kv_cache_free_gpu_mem_fraction", "batch_scheduler_policy"), _TENSORRT),
    **dict.fromkeys(("enable_trt_overlap", "enable_kv_cache_reuse", "smoothquant_alpha", "use_fused_mlp"), _TENSORRT),
    **dict.fromkeys(("n_positions", "amp", "unroll", "load_split_model", "neuron_optimize_level"), _NEURON),
    **dict.fromkeys(("context_length_estimate", "model_loader", "rolling_batch_strategy"), _NEURON),
    **dict.fromkeys(("group_query_attention", "on_device_embedding", "preloaded_model"), _NEURON),
}


def _model_id(value: str, place: Place) -> Ruling:
    if value.startswith("s3://"):
        return refused(value, _S3)
    if value.startswith("djl://"):
        return refused(value, "is in DJL's zoo, which is not read here: write a directory, or the name on the hub")
    return mapped({"MODEL": _directory(value, place) or value})


def _directory(value: str, place: Place) -> str | None:
    """The directory that a value names: below the model directory, also by its path in the container; None if none."""
    is_below = (value == _THERE or value.startswith(f"{_THERE}/")) and not os.path.isdir(value)
    path = os.path.join(place.folder, value.removeprefix(_THERE).lstrip("/") if is_below else value)
    return os.path.abspath(path) if os.path.isdir(path) else None


def _degree(value: str, place: Place) -> Ruling:
    if value != "max":
        return number("TENSOR_PARALLEL_SIZE", "write one, or max")(value, place)
    return mapped({"TENSOR_PARALLEL_SIZE": str(place.gpus)}) if place.gpus else ignored("there is no GPU")


def _dtype(value: str, place: Place) -> Ruling:
    dtype = _DTYPES.get(value.lower())
    return mapped({"DTYPE": dtype}) if dtype else refused(value, f"is no type: write one of {', '.join(_DTYPES)}")


def _draft(value: str, place: Place) -> Ruling:
    """vLLM takes what is about drafts in one flag."""
    if "option.speculative_config" in place.values:
        return ignored("speculative_config comes first")
    if value.startswith("s3://"):
        return refused(value, "is not read here: put the draft model into the model directory, and name its folder")
    drafts = _first(place, ("speculative_length", "num_speculative_tokens", "spec_length")) or _DEFAULT_DRAFTS
    size = _first(place, ("draft_model_tp_size", "speculative_draft_tensor_parallel_size"))
    given = {"num_speculative_tokens": drafts, **({"draft_tensor_parallel_size": size} if size else {})}
    if wrong := next((text for text in given.values() if not NUMBER.fullmatch(text)), None):
        return refused(wrong, "is no number of drafted tokens, or of GPUs: write one")
    whole = {"model": _directory(value, place) or value, **{name: int(text) for name, text in given.items()}}
    return mapped({"SPECULATIVE_CONFIG": json.dumps(whole)})


def _first(place: Place, names: tuple[str, ...]) -> str | None:
    found = (place.values.get(f"option.{name}") for name in names)
    return next((value for value in found if value), None)


def _beside_draft(value: str, place: Place) -> Ruling:
    if not _first(place, _DRAFTS):
        return ignored("there is no speculative_draft_model, whose it is")
    return used("part of speculative_config")


def _enable_lora(value: str, place: Place) -> Ruling:
    """With the adapters of the directory that `adapters` names, as LMI loads them."""
    found = _adapters(place) if value.lower() == "true" and "option.lora_modules" not in place.values else {}
    modules = " ".join(json.dumps({"name": name, "path": path}) for name, path in found.items())
    return mapped({"ENABLE_LORA": value, **({"LORA_MODULES": modules} if modules else {})})


def _adapters(place: Place) -> dict[str, str]:
    folder = _directory(place.values.get("option.adapters") or "adapters", place)
    found = sorted(Path(folder).glob("*/adapter_config.json")) if folder else []
    return {one.parent.name: str(one.parent) for one in found}


def _beside_lora(value: str, place: Place) -> Ruling:
    if place.values.get("option.enable_lora", "").lower() != "true":
        return ignored("enable_lora is not true")
    if not _adapters(place):
        return ignored("there is no adapter (*/adapter_config.json) in that directory", is_warned=True)
    return used("the directory of the adapters that are loaded")


def _limits(value: str, place: Place) -> Ruling:
    """Also in the form that LMI took before vLLM wanted JSON."""
    if not _LIMITS.fullmatch(value):
        return mapped({"LIMIT_MM_PER_PROMPT": value})
    pairs = (one.partition("=") for one in value.split(","))
    return mapped({"LIMIT_MM_PER_PROMPT": json.dumps({name.strip(): int(most) for name, _, most in pairs})})


def _template(value: str, place: Place) -> Ruling:
    """A path may be relative to the model directory."""
    path = os.path.join(place.folder, value)  # may be the text of a template, which no Path could be
    return mapped({"CHAT_TEMPLATE": os.path.abspath(path) if os.path.isfile(path) else value})


def _entry_point(value: str, place: Place) -> Ruling:
    if value.startswith(_SERVICES):
        return ignored("LMI's own service: the engine answers in its place")
    if value.startswith("djl_python"):
        return refused(value, "is a service of LMI's for another engine than vLLM: leave it out if vLLM is to serve")
    if value == place.script:
        return used("the script")
    written = value if value.isprintable() else repr(value)
    return refused(value, f"is not looked for: set CUSTOM_SCRIPT_FILENAME={written}, and leave this out")


_LIMITS = re.compile(r"\s*\w+=[0-9]{1,18}(,\s*\w+=[0-9]{1,18})*")
_DRAFTS = ("speculative_draft_model", "draft_model_id", "speculative_model")
_FORMATTERS = {
    "json": used("whole answers, unless a request asks for a stream", formatter="json"),
    "jsonlines": used("streams of JSON lines, unless a request says otherwise", formatter="jsonlines"),
    "sse": used("streams of server-sent events, unless a request says otherwise", formatter="sse"),
}
_FORMATTER = "is no form of answers here: write json, jsonlines or sse; a function of your own is found by its mark"
_TASK = "is no task of vLLM's that is known here: leave it out, or set runner and convert"
_POOLED = ("text-embedding", "feature-extraction", "embed", "embedding", "classify", "text-classification", "score")

RULES: dict[str, Rule] = {
    **dict.fromkeys(("model_id", "s3url"), _model_id),
    "tensor_parallel_degree": _degree,
    "pipeline_parallel_degree": number("PIPELINE_PARALLEL_SIZE"),
    "max_rolling_batch_size": number("MAX_NUM_SEQS"),
    "max_rolling_batch_prefill_tokens": number("MAX_NUM_BATCHED_TOKENS"),
    "quantize": renamed("QUANTIZATION"),
    "cpu_offload_gb_per_gpu": renamed("CPU_OFFLOAD_GB"),
    "dtype": _dtype,
    "revision": renamed("REVISION"),
    "chat_template": _template,
    "enable_lora": _enable_lora,
    "adapters": _beside_lora,
    "limit_mm_per_prompt": _limits,
    **dict.fromkeys(_DRAFTS, _draft),
    **dict.fromkeys(("speculative_length", "num_speculative_tokens", "spec_length"), _beside_draft),
    **dict.fromkeys(("draft_model_tp_size", "speculative_draft_tensor_parallel_size"), _beside_draft),
    "task": one_of(
        dict.fromkeys(_POOLED, _POOLING)
        | dict.fromkeys(("auto", "generate", "text-generation", "image-text-to-text"), _BY_MODEL),
        _TASK,
    ),
    "tgi_compat": switch(
        used("answers as HANDRAIL_INPUTS_DIALECT=tgi", dialect="tgi"),
        used("answers as HANDRAIL_INPUTS_DIALECT=lmi", dialect="lmi"),
    ),
    "output_formatter": one_of(_FORMATTERS, _FORMATTER),
    "rolling_batch": one_of(
        dict.fromkeys(("auto", "vllm", "disable"), _VLLM_BATCHES)
        | {"lmi-dist": ignored("LMI has no lmi-dist any more: vLLM serves", is_warned=True)},
        _OTHER_ENGINE,
    ),
    "engine": one_of(
        dict.fromkeys(("python", "mpi", "vllm"), ignored("HANDRAIL_ENGINE names the engine")), _OTHER_ENGINE
    ),
    "entryPoint": _entry_point,
    **{name: reason(note) for name, note in _REASONS.items()},
}


def ruling(name: str, value: str, place: Place) -> Ruling:
    """What becomes of `option.<name>`, which has a value."""
    rule = RULES.get(name) or RULES.get(name.lower())
    if rule:
        return rule(value, place)
    passed = passed_on(name.replace("-", "_").upper(), value)
    if close := difflib.get_close_matches(name.lower(), RULES, n=1, cutoff=0.9):
        note = f"{passed.note}; LMI has no option.{name}, and vLLM may have none: did you mean option.{close[0]}?"
        return replace(passed, note=note, is_warned=True)
    return passed
