"""Maps the fields of a Truss's `config.yaml` to vLLM's flags, or says why a field has none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from handrail.styles.truss.config import TrussConfig

from handrail_container.program import docker_server
from handrail_container.program.config_field import Field, Outcome

_PREFIX = "SM_VLLM_"


#: A field's value as flags (without their prefix), or a sentence on why there are none.
Mapped = dict[str, Any] | str

_BUILD = {
    "max_seq_len": "MAX_MODEL_LEN",
    "max_batch_size": "MAX_NUM_SEQS",
    "max_num_tokens": "MAX_NUM_BATCHED_TOKENS",
    "tensor_parallel_count": "TENSOR_PARALLEL_SIZE",
    "pipeline_parallel_count": "PIPELINE_PARALLEL_SIZE",
    "plugin_configuration.use_paged_context_fmha": "ENABLE_PREFIX_CACHING",
    "lora_configuration.max_lora_rank": "MAX_LORA_RANK",
}
_RUNTIME = {
    "served_model_name": "SERVED_MODEL_NAME",
    "enable_chunked_context": "ENABLE_CHUNKED_PREFILL",
    "enable_chunked_prefill": "ENABLE_CHUNKED_PREFILL",
    "max_seq_len": "MAX_MODEL_LEN",
    "max_batch_size": "MAX_NUM_SEQS",
    "max_num_tokens": "MAX_NUM_BATCHED_TOKENS",
    "tensor_parallel_size": "TENSOR_PARALLEL_SIZE",
}
_RENAMED = {f"trt_llm.build.{name}": flag for name, flag in _BUILD.items()} | {
    f"trt_llm.runtime.{name}": flag for name, flag in _RUNTIME.items()
}

_HANDLED = "the Model's: read where it is served"
_INSTALLED = "installed before the script is imported, unless installing is switched off"
_PLATFORM = "the platform's: SageMaker has settings of its own for it"
_IMAGE = "of the image: this container is built already"
_NO_EQUIVALENT = "vLLM has nothing like it"
_USES = {
    **dict.fromkeys(("model_module_dir", "model_class_filename", "model_class_name", "data_dir"), _HANDLED),
    **dict.fromkeys(("bundled_packages_dir", "secrets", "runtime"), _HANDLED),
    **dict.fromkeys(("requirements", "requirements_file"), _INSTALLED),
    "environment_variables": "set where the process has none of that name",
    "model_metadata.tags": "says in which form engine.predict answers",
}
_WHY_IGNORED = {
    **dict.fromkeys(("description", "examples_filename", "input_type", "model_framework", "model_type"), "a remark"),
    **dict.fromkeys(("spec_version", "bis_llm", "model_metadata"), "a remark"),
    **dict.fromkeys(("build_commands", "base_image", "python_version", "build"), _IMAGE),
    **dict.fromkeys(("live_reload", "apply_library_patches", "use_local_src"), _IMAGE),
    **dict.fromkeys(("external_data", "model_cache", "hf_cache", "weights", "bdn", "cache_internal"), _PLATFORM),
    **dict.fromkeys(("training_checkpoints", "external_package_dirs"), _PLATFORM),
    "system_packages": f"{_IMAGE}; build one FROM handrail with them",
    "resources": "the platform's: the machine is as it is",
}
_WHY_IGNORED_BELOW = {
    "trt_llm.build.speculator": "its numbers are TensorRT-LLM's; set speculative_config under `vllm`",
    "trt_llm.runtime.patch_kwargs": "free of form; set what it means under `vllm`",
    "trt_llm.runtime.kv_cache_host_memory_bytes": "set kv_offloading_size under `vllm`",
}


def fields(config: TrussConfig, *, on_gpu: bool) -> list[Field]:
    """The result for each field, in order. Fields of engine blocks count one by one; null counts as absent."""
    return [_field(config, name, value, on_gpu) for name, value in _flat(config.data) if value is not None]


def engine_flags(rows: list[Field]) -> dict[str, str]:
    """The `SM_VLLM_*` variables. A `vllm` block wins over `model_metadata.vllm_config`, and that over the rest."""
    ranked = sorted(rows, key=_rank)
    flags: dict[str, str] = {}
    for row in ranked:
        for name, value in row.flags.items():
            flags.setdefault(name, value)
    return flags


def _rank(row: Field) -> int:
    starts = ("vllm.", "model_metadata.vllm_config.", "trt_llm.", "")
    return next(rank for rank, start in enumerate(starts) if row.name.startswith(start))


def has_gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*"))


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields with dotted names: those of the engine's blocks one by one, others whole."""
    for key, value in data.items():
        name = f"{prefix}{key}"
        if name in _OPEN and isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


_OPEN = {
    *("trt_llm", "trt_llm.build", "trt_llm.runtime", "vllm", "model_metadata", "model_metadata.vllm_config"),
    *("trt_llm.build.plugin_configuration", "trt_llm.build.lora_configuration"),
}


def _field(config: TrussConfig, name: str, value: Any, on_gpu: bool) -> Field:
    where = config.where(name)
    refused = _refusal(name, value)
    if refused:
        return Field(name, where, Outcome.REFUSED, refused)
    mapped = _mapped(name, value)
    needs_gpu = not on_gpu and (
        (name == "resources" and _wants_gpu(value)) or name == "trt_llm.build.quantization_type"
    )
    if needs_gpu and mapped:
        return Field(name, where, Outcome.IGNORED, "there is no GPU for it", needs_gpu=True)
    if name in _USES:
        return Field(name, where, Outcome.USED, _USES[name])
    if isinstance(mapped, str):
        return Field(name, where, Outcome.IGNORED, mapped)
    flags = {f"{_PREFIX}{flag}": _text(given) for flag, given in mapped.items()}
    return Field(name, where, Outcome.MAPPED, ", ".join(f"{flag}={given}" for flag, given in flags.items()), flags)


def _wants_gpu(resources: Any) -> bool:
    """Whether `resources` asks for a GPU. `truss` writes `accelerator: null` and `use_gpu: false` if it does not."""
    return isinstance(resources, Mapping) and bool(resources.get("accelerator") or resources.get("use_gpu"))


def _refusal(name: str, value: Any) -> str | None:
    """Advice in place of a field that cannot be honoured; None if it can."""
    if name == "docker_server":
        return docker_server.refusal(value)
    if name == "runtime" and _transport(value) == "grpc":
        return "transport.kind grpc is not served: use http or websocket"
    if name == "trt_llm.build.checkpoint_repository" and _source(value) not in ("HF", "LOCAL"):
        return f"source {_source(value)} is not read here: put the weights into the model directory, or use source: HF"
    if name == "trt_llm.build.quantization_type" and value not in _QUANTIZATION:
        return f"{value} needs weights that are quantized already: name such a repository, with no_quant here"
    return None


def _transport(value: Any) -> Any:
    given = value.get("transport") if isinstance(value, Mapping) else None
    return given.get("kind") if isinstance(given, Mapping) else given


def _source(value: Any) -> str:
    return str(value.get("source", "HF")) if isinstance(value, Mapping) else "HF"


def _mapped(name: str, value: Any) -> Mapped:
    if flag := _RENAMED.get(name):
        return _switch(flag, value)
    for start in ("vllm.", "model_metadata.vllm_config."):
        if name.startswith(start):
            return {name.removeprefix(start).lstrip("-").replace("-", "_").upper(): value}
    if special := _SPECIAL.get(name):
        return special(value)
    default = _NO_EQUIVALENT if name.startswith("trt_llm.") else "not known"
    return _WHY_IGNORED_BELOW.get(name) or _WHY_IGNORED.get(name.partition(".")[0], default)


def _switch(flag: str, value: Any) -> Mapped:
    """The flag with `value`. To switch it off, vLLM has a flag of another name."""
    return {f"NO_{flag}": True} if value is False else {flag: value}


def _checkpoint(value: Any) -> Mapped:
    found = value if isinstance(value, Mapping) else {"repo": value}
    revision = found.get("revision")
    return {"MODEL": found.get("repo")} | ({"REVISION": revision, "TOKENIZER_REVISION": revision} if revision else {})


def _base_model(value: Any) -> Mapped:
    return {"RUNNER": "pooling"} if str(value).startswith("encoder") else "vLLM reads it from the weights"


def _memory(value: Any) -> Mapped:
    """TensorRT-LLM's fraction is of the memory left by the weights, vLLM's of all memory: alike only if it is large."""
    if isinstance(value, int | float) and value >= 0.8:
        return {"GPU_MEMORY_UTILIZATION": value}
    return "vLLM's fraction is of all memory: set gpu_memory_utilization under `vllm`"


def _adapters(value: Any) -> Mapped:
    repositories = {name: one.get("repo") if isinstance(one, Mapping) else one for name, one in dict(value).items()}
    modules = [json.dumps({"name": name, "path": repository}) for name, repository in repositories.items()]
    return {"ENABLE_LORA": True, "LORA_MODULES": " ".join(modules)}


_QUANTIZATION: dict[Any, Mapped] = {
    "no_quant": "nothing to do",
    "fp8": {"QUANTIZATION": "fp8"},
    "fp8_kv": {"QUANTIZATION": "fp8", "KV_CACHE_DTYPE": "fp8"},
}

_SPECIAL: dict[str, Callable[[Any], Mapped]] = {
    "model_name": lambda value: {"SERVED_MODEL_NAME": value},
    "trt_llm.build.checkpoint_repository": _checkpoint,
    "trt_llm.build.base_model": _base_model,
    "trt_llm.build.quantization_type": lambda value: _QUANTIZATION[value],
    "trt_llm.build.moe_expert_parallel_option": lambda value: {"ENABLE_EXPERT_PARALLEL": True} if value > 0 else "off",
    "trt_llm.build.lora_adapters": _adapters,
    "trt_llm.runtime.kv_cache_free_gpu_mem_fraction": _memory,
    "trt_llm.runtime.request_default_max_tokens": lambda value: {
        "OVERRIDE_GENERATION_CONFIG": {"max_new_tokens": value}
    },
}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)
