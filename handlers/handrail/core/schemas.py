"""Walks and rebuilds pydantic's core schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

#: Keys of a schema whose values are data, which may look like a schema.
_DATA = ("default", "metadata", "serialization", "expected", "members", "config")
#: Keys under which schemas may stand by names that the user chose: of fields, of tags.
_NAMED = ("fields", "choices")


class Node(NamedTuple):
    """A schema and the `ref` of each definition that it is a part of, its own among them."""

    schema: dict[str, Any]
    within: tuple[str, ...]


def rebuilt(schema: Any, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> Any:
    """A copy of `schema`, in which `change(original, copy)` takes the place of each inner schema, innermost first."""
    if isinstance(schema, list):
        return [rebuilt(one, change) for one in schema]
    if type(schema) is tuple:  # a member of a union, with its label
        return tuple(rebuilt(one, change) for one in schema)
    if not isinstance(schema, dict):
        return schema
    return change(schema, {key: _rebuilt_value(key, value, change) for key, value in schema.items()})


def nodes(schema: Any, within: tuple[str, ...] = ()) -> Iterator[Node]:
    """`schema` and all schemas inside of it."""
    if isinstance(schema, list) or type(schema) is tuple:
        for one in schema:
            yield from nodes(one, within)
    elif isinstance(schema, dict):
        if ref := schema.get("ref"):
            within = (*within, ref)
        yield Node(schema, within)
        for key, value in schema.items():
            yield from nodes(_inner(key, value), within)


def _rebuilt_value(key: str, value: Any, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> Any:
    if key in _DATA:
        return value
    if key in _NAMED and isinstance(value, dict):
        return {name: rebuilt(one, change) for name, one in value.items()}
    return rebuilt(value, change)


def _inner(key: str, value: Any) -> Any:
    """The schemas of one key."""
    if key in _DATA:
        return None
    return [*value.values()] if key in _NAMED and isinstance(value, dict) else value
