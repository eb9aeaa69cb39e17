"""What becomes of arguments of a script's engine, for its tests."""

from __future__ import annotations

from typing import Any

from handrail_container.program.adoption import arguments
from handrail_container.program.config_field import Field

WHERE = "model.py:7"
#: Some of vLLM's arguments with their defaults.
KNOWN: dict[str, Any] = {
    **{"model": "a/default", "dtype": "auto", "max_model_len": None, "tensor_parallel_size": 1, "enforce_eager": False},
    **{"gpu_memory_utilization": 0.92, "enable_prefix_caching": None, "hf_overrides": {}, "hf_token": None},
    **{"limit_mm_per_prompt": {}, "logits_processors": None, "worker_extension_cls": "", "quantization": None},
    **{"structured_outputs_config": None, "served_model_name": None, "kv_cache_dtype": "auto", "load_format": "auto"},
    **{"device_ids": None, "model_weights": "", "max_loras": 1, "cpu_offload_params": None, "seed": 0},
}


def rows(given: dict[str, Any], *, has_gpu: bool = True, known: Any = KNOWN, dropped: Any = ()) -> dict[str, Field]:
    found = arguments.fields(given, WHERE, known, has_gpu=has_gpu, dropped=dropped)
    assert [row.name for row in found] == list(given)
    return {row.name: row for row in found}


def row(name: str, value: Any, **more: Any) -> Field:
    return rows({name: value}, **more)[name]


def flags(given: dict[str, Any], **more: Any) -> dict[str, str]:
    return {name: value for one in rows(given, **more).values() for name, value in one.flags.items()}
