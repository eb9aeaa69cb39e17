"""Describes a snippet's exception as fields of a message, and finds the `return` of a result that is not text."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

from handrail.core.tracebacks import explain

_OURS = str(Path(__file__).parent)


def described(error: BaseException, function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of `SnippetRaised`. Errors of HTTP clients are recognized by their attributes, not their class."""
    error.__traceback__ = _without_own_frames(error.__traceback__)
    raised = explain(error, function)
    response = _attribute(error, "response")
    if response is None and _is_status(_attribute(error, "code")) and _attribute(error, "headers") is not None:
        response = error  # urllib's HTTPError is the response
    upstream = _first_status(_attribute(response, "status_code"), _attribute(response, "code"))
    return {
        "type_name": raised.type,
        "message": raised.message,
        "where": raised.where,
        "traceback": raised.traceback,
        "status_code": _first_status(_attribute(error, "status_code")),
        "upstream_status": upstream,
        "retry_after": _retry_after(response) if upstream else None,
    }


def returned_at(function: Any) -> str:
    """`file:line` of the function's `return` if there is exactly one, else of its `def`; empty without Python code."""
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    if not isinstance(code, CodeType):
        return ""
    returns = {
        one.positions.lineno for one in dis.get_instructions(code) if one.opname.startswith("RETURN_") and one.positions
    }
    returns.discard(None)
    return f"{code.co_filename}:{returns.pop() if len(returns) == 1 else code.co_firstlineno}"


def _without_own_frames(tb: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame outside this package; all of it if there is no such frame."""
    first = tb
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_OURS):
        first = first.tb_next
    return first or tb


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001  a property of a third-party class may raise anything
        return None


def _first_status(*values: Any) -> int | None:
    return next((int(value) for value in values if _is_status(value)), None)


def _is_status(value: Any) -> bool:
    return isinstance(value, int) and 400 <= value <= 599


def _retry_after(response: Any) -> str | None:
    headers = _attribute(response, "headers")
    try:
        value = headers.get("Retry-After")
    except Exception:  # noqa: BLE001  `headers` may be of any type
        return None
    return value if isinstance(value, str) else None
