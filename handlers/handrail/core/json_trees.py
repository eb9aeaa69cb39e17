"""Copies parsed JSON (dicts and lists) at a fraction of the cost of `copy.deepcopy`."""

from __future__ import annotations

import copy
from typing import Any

_ATOMS = frozenset((str, int, float, bool, type(None)))


def copied(tree: Any, most_objects: int) -> Any:
    """A deep copy of `tree`. Raises HTTPException with 413 if it has more than `most_objects` dicts and lists."""
    left = most_objects

    def copy_of(value: Any) -> Any:
        nonlocal left
        kind = type(value)
        if kind is not dict and kind is not list:
            return value if kind in _ATOMS else copy.deepcopy(value)
        left -= 1
        if left < 0:
            from starlette.exceptions import HTTPException

            message = f"the body for the engine has more objects and arrays than {most_objects:,}"
            raise HTTPException(413, f"{message}; HANDRAIL_MAX_JSON_OBJECTS sets the limit")
        if kind is dict:
            return {key: one if type(one) in _ATOMS else copy_of(one) for key, one in value.items()}
        return [one if type(one) in _ATOMS else copy_of(one) for one in value]

    return copy_of(tree)
