"""Whether a value has many parts, found without looking at all of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

_LEAVES = frozenset({str, bytes, int, float, bool, type(None)})


def has_more_parts(value: Any, most: int) -> bool:
    """Whether the items of a value, the fields of an object, and what is in them are more than `most` together."""
    left, waiting = most, [value]
    while waiting:
        if type(item := waiting.pop()) in _LEAVES:
            continue
        inner = _parts(item)
        left -= len(inner)
        if left < 0:
            return True
        waiting.extend(inner)
    return False


def _parts(item: Any) -> Collection[Any]:
    if isinstance(item, dict):
        return item.values()
    if isinstance(item, list | tuple | set | frozenset):
        return item
    return getattr(item, "__dict__", {}).values()
