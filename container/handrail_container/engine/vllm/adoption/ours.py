"""Whose construction it is: the server's own engine is built as vLLM builds it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import handrail

import handrail_container

_BUILDING: ContextVar[bool] = ContextVar("handrail_builds_engine", default=False)
_OURS = tuple(str(Path(str(package.__file__)).parent) for package in (handrail, handrail_container))


@contextmanager
def building() -> Iterator[None]:
    """In here, vLLM's constructors build engines."""
    token = _BUILDING.set(True)
    try:
        yield
    finally:
        _BUILDING.reset(token)


def is_ours() -> bool:
    return _BUILDING.get()


def called_at() -> str:
    """`file:line` of the script's code that calls vLLM."""
    frame = inspect.currentframe()
    assert frame is not None  # CPython has them
    while frame.f_back is not None and _is_between(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_between(file: str) -> bool:
    module = sys.modules.get("vllm")
    vllms = str(Path(str(module.__file__)).parent) if module is not None else "<"
    return file.startswith((*_OURS, vllms, "<"))
