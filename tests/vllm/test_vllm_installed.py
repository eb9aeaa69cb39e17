"""The table of names against the vLLM that is installed."""

from __future__ import annotations

import importlib
import inspect
from functools import reduce
from types import FunctionType
from typing import Any

import pytest
from handrail_container.engine.vllm.names import MEMBERS, NAMES, Name, vllm

pytestmark = [
    pytest.mark.vllm,
    # torch's and transformers' own, while vLLM imports them
    pytest.mark.filterwarnings("ignore"),
]


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
