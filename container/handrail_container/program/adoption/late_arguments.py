"""The arguments of an engine that a script builds when the server's already runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from handrail_container.program.adoption.argument_texts import shown

_PREFIX = "SM_VLLM_"
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKmMgG]?)")
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}
#: Where these differ, answers do not: they are of speed, or of what is logged and loaded from where.
_SPEED = frozenset(
    {
        *("GPU_MEMORY_UTILIZATION", "KV_CACHE_MEMORY_BYTES", "MAX_NUM_SEQS", "MAX_NUM_BATCHED_TOKENS"),
        *("ENFORCE_EAGER", "ENABLE_PREFIX_CACHING", "ENABLE_CHUNKED_PREFILL", "BLOCK_SIZE", "ASYNC_SCHEDULING"),
        *("TENSOR_PARALLEL_SIZE", "PIPELINE_PARALLEL_SIZE", "DATA_PARALLEL_SIZE", "DISTRIBUTED_EXECUTOR_BACKEND"),
        *("DOWNLOAD_DIR", "LOAD_FORMAT", "DISABLE_LOG_STATS", "ENABLE_LOG_REQUESTS", "DISABLE_CUSTOM_ALL_REDUCE"),
        *("ATTENTION_BACKEND", "GDN_PREFILL_BACKEND", "CPU_OFFLOAD_GB", "MAX_LORAS", "MAX_CPU_LORAS"),
        *("TRUST_REMOTE_CODE", "SERVED_MODEL_NAME", "SPECULATIVE_CONFIG", "COMPILATION_CONFIG"),
        *("CUDAGRAPH_CAPTURE_SIZES", "MM_PROCESSOR_CACHE_GB", "EPLB_CONFIG", "ENABLE_SLEEP_MODE"),
    }
)


def late(given_flags: Mapping[str, str], running: Mapping[str, str], where: str) -> tuple[list[str], list[str]]:
    """Sentences for the log, and those that refuse the construction at `where`. Both mappings are `SM_VLLM_*`
    variables; `running` should have the engine's own model and MAX_MODEL_LEN."""
    now = _plain(running)
    lines: list[str] = []
    refusals: list[str] = []
    for flag, value in _differing(_plain(given_flags), now):
        if flag == "MODEL":
            refusals.append(_another_model(where, value, now.get(flag, "")))
        elif flag in _SPEED or (flag == "MAX_MODEL_LEN" and not _is_more(value, now.get(flag))):
            same = "which is longer" if flag == "MAX_MODEL_LEN" else "answers are the same"
            lines.append(f"{_wanted(where, flag, value, now)}; {same}")
        else:
            refusals.append(f"{_wanted(where, flag, value, now)}: set {_variable(flag, value)}")
    return lines, refusals


def _differing(given: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for flag, value in given.items():
        if flag not in now or _meaning(now[flag]) != _meaning(value):
            yield flag, value


def _plain(flags: Mapping[str, str]) -> dict[str, str]:
    """The flags without prefix; `NO_X` as a false `X`."""
    named = {name.removeprefix(_PREFIX): value for name, value in flags.items()}
    return {
        name.removeprefix("NO_"): ("false" if value.lower() == "true" else "true") if name.startswith("NO_") else value
        for name, value in named.items()
    }


def _meaning(value: str) -> Any:
    """Equal for two spellings of one value."""
    try:
        return json.loads(value.lower() if value.lower() in ("true", "false") else value)
    except ValueError:
        return value


def _is_more(value: str, now: str | None) -> bool:
    """Whether a length is more than there is; one that cannot be read, or has nothing to be compared with, is not."""
    asked, there = _length(value), _length(now or "")
    return asked is not None and there is not None and asked > there


def _length(value: str) -> float | None:
    found = _NUMBER.fullmatch(value.strip())
    return float(found[1]) * _SIZES[found[2]] if found else None


def _wanted(where: str, flag: str, value: str, now: Mapping[str, str]) -> str:
    other = shown(flag, now[flag]) if flag in now else "vLLM's default"
    return f"{where} wants {flag.lower()}={shown(flag, value)}, and the engine already runs with {other}"


def _variable(flag: str, value: str) -> str:
    return f"{_PREFIX}NO_{flag}=true" if value == "false" else f"{_PREFIX}{flag}={shown(flag, value)}"


def _another_model(where: str, asked: str, model: str) -> str:
    return (
        f'{where} asks for "{asked}", and this server\'s engine is "{model}": there is one engine. '
        f"Serve {asked} by a server of its own"
    )
