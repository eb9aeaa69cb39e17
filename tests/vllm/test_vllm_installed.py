"""The table of names against the vLLM that is installed."""

from __future__ import annotations

import importlib
import inspect
import re
from functools import reduce
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from handrail_container.engine.vllm.members import MEMBERS
from handrail_container.engine.vllm.names import NAMES, Name, vllm
from handrail_container.settings.vllm_flags import VARIABLES

pytestmark = [
    pytest.mark.vllm,
    # torch's and transformers' own, while vLLM imports them
    pytest.mark.filterwarnings("ignore"),
]

#: What vLLM's HTTP server reads of the environment and has its effect here, or none with any server.
HONOURED = {
    "VLLM_API_KEY",
    "VLLM_CPU_KVCACHE_SPACE",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS",
    "VLLM_MAX_AUDIO_CLIP_FILESIZE_MB",
    "VLLM_DISABLE_LOG_LOGO",
    "VLLM_LOG_STATS_INTERVAL",
}


@pytest.mark.parametrize("key", NAMES)
def test_a_name_is_found_and_takes_our_call(key: str) -> None:
    check_call(NAMES[key], vllm(key), bound=True)


@pytest.mark.parametrize("member", [member for member in MEMBERS if member.calls], ids=lambda member: member.path)
def test_a_method_takes_our_call(member: Name) -> None:
    module = next(module for module in map(importable, member.modules) if module)
    method = reduce(getattr, member.path.split("."), module)
    check_call(member, method, bound=not isinstance(method, FunctionType))


def check_call(name: Name, called: Any, *, bound: bool) -> None:
    if name.calls:
        positional, keywords = name.calls
        inspect.signature(called).bind(*range(positional + (not bound)), **dict.fromkeys(keywords))


def importable(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        return None


def test_every_variable_of_its_http_server_is_told_from_the_others() -> None:
    """A new one is honoured, refused, or said to have no effect: somebody has looked at it."""
    vllm_root = Path(importlib.import_module("vllm").__file__ or "").parent / "entrypoints"
    parts = [path for name in ("launchers", "serve/middleware") for path in (vllm_root / name).rglob("*.py")]
    assert parts
    read = {name for path in parts for name in re.findall(r"envs\.(VLLM_\w+)", path.read_text())}
    assert read - VARIABLES.keys() <= HONOURED
    assert VARIABLES.keys() <= importlib.import_module("vllm.envs").environment_variables.keys()
