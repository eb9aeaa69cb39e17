"""The errors of the shape: 400, with the field, its value, and what is taken."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException

from handrail_container.http.envelope import to_json

#: Characters of a value in a message, items of a list or object in it, and how deep they are in each other.
_SHOWN = 60
_ITEMS = 4
_DEPTH = 3


def refused(message: str) -> HTTPException:
    """400, as of all that the engine refuses. TGI says 422 and LMI 424; their clients do not act on the difference."""
    return HTTPException(400, message)


def unknown(field: str, kind: str, known: Collection[str]) -> HTTPException:
    close = difflib.get_close_matches(field, known, n=1) if len(field) < _SHOWN else []
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return refused(f"{kind} {field!r:.60} is unknown. {hint}Known are {', '.join(known)}")


def malformed(error: ValidationError, field: str) -> HTTPException:
    """The first problem that pydantic has found in the object `field`."""
    problem = error.errors(include_url=False)[0]
    where = ".".join((field, *map(str, problem["loc"][:1])))
    return refused(f"{where} is {shown(problem['input'])}: {problem['msg']}")


def names(given: Collection[str]) -> str:
    """The first of a client's names of fields."""
    first = [f"{name!r:.60}" for name in itertools.islice(given, _ITEMS)]
    return ", ".join([*first, *(["…"] if len(given) > _ITEMS else [])])


def shown(value: Any) -> str:
    text = to_json(_clipped(value, _DEPTH))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _clipped(value: Any, depth: int) -> Any:
    """As much of `value` as can be shown: it may have megabytes."""
    if isinstance(value, str):
        return value[: _SHOWN + 1]
    if isinstance(value, list):
        return [_clipped(item, depth - 1) for item in value[:_ITEMS]] if depth else []
    if isinstance(value, dict):
        few = itertools.islice(value.items(), _ITEMS if depth else 0)
        return {key[:_SHOWN]: _clipped(item, depth - 1) for key, item in few}
    return value
