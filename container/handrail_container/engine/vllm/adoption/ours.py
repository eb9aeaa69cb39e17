"""Whose construction it is: the server's own engine is built as vLLM builds it."""

from __future__ import annotations

import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import anyio
import fastapi
import handrail
import starlette

import handrail_container

_BUILDING: ContextVar[bool] = ContextVar("handrail_builds_engine", default=False)
_PACKAGES = (handrail, handrail_container, anyio, starlette, fastapi)
_OURS = (
    "<",
    f"{sysconfig.get_path('stdlib')}{os.sep}",
    *(f"{Path(str(package.__file__)).parent}{os.sep}" for package in _PACKAGES),
)


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
    """`file:line` of the script's code that calls vLLM; words for it if the script only handed a thread the call."""
    frame, between = inspect.currentframe(), _between()
    while frame is not None and frame.f_code.co_filename.startswith(between):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "a thread of the script"


def _between() -> tuple[str, ...]:
    """The beginnings of file names that are not the script's."""
    module = sys.modules.get("vllm")
    return (*_OURS, str(Path(str(module.__file__)).parent)) if module is not None else _OURS
