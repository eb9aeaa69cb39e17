"""Detects a 4xx that the handler may have caused: the engine refused a body that the client did not send."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from handrail.core.calling import Handler
from handrail.core.engine import ANSWERING
from handrail.core.tracebacks import authors_folder, code_of, definition, inner_line
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request


def own_call(error: HTTPException, handler: Handler, model_directory: Path) -> str | None:
    """The log message for a refusal by the engine of a body that the handler made itself; else None.

    A body with all that the client sent, and more, counts as the client's. None, too, if the origin is not known.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    call = next((frame for frame in frames if frame.f_code is ANSWERING), None)
    code = code_of(handler.function)
    entry = next((frame for frame in frames if frame.f_code is code), None)
    if call is None or entry is None or code is None:
        return None
    given = call.f_locals["body"]
    if any(sent and all(given.get(key) == value for key, value in sent.items()) for sent in _sent(entry)):
        return None
    where = inner_line(error, authors_folder(error, handler.function, model_directory)) or definition(handler.function)
    return (
        f"{where}: the engine refused what engine.{call.f_locals['operation']} was given here, a body that is not the "
        f"client's own: {error.detail}. The client gets this {error.status_code}; where the handler made the mistake, "
        "mend it there"
    )


def _sent(entry: FrameType) -> Iterator[Mapping[str, Any]]:
    """The client's body, in each form in which the handler's parameters have it."""
    code = entry.f_code
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        value = entry.f_locals.get(name)
        if isinstance(value, Request):
            value = _body(value)
        elif isinstance(value, BaseModel):
            value = value.model_dump(exclude_unset=True)
        if isinstance(value, Mapping):
            yield value


def _body(request: Request) -> Any:
    """The JSON of the request, if its body has been read."""
    if hasattr(request, "_json"):
        return request._json
    try:
        return json.loads(getattr(request, "_body", b""))
    except (ValueError, RecursionError):
        return None
