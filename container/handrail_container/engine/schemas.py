"""Estimates what it costs to compile a JSON schema to a grammar, in characters, besides the schema's own length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from handrail_container.engine import expressions
from handrail_container.engine.expressions import NO_END

#: Keywords whose value is a number of repetitions in the grammar.
_REPEATING = frozenset(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"))
#: The compiler has a regular expression for each format. It is short for these; for any other it may be long.
_SHORT_FORMATS = frozenset(
    ("date", "date-time", "time", "uuid", "email", "int32", "int64", "float", "double", "binary")
)
_OF_A_SHORT_FORMAT = 50
_OF_A_FORMAT = 1_000
#: The cost of one state of several expressions that have to match the same value.
_OF_A_STATE = 50
#: The most schemas that are examined for expressions that have to match the same value.
_LOOKED_AT = 20_000
_MOST_DEPTH = 16
#: Keywords, besides `properties`, whose schemas apply to values inside the value.
_OTHERS = ("items", "additionalProperties")


def size(schema: Any) -> int:
    objects = [*objects_of(schema)]
    patterns = sum(cost for each in objects for cost, _ in _expressions(each))
    joined = _Joined(schema)
    at_once = sum(_OF_A_STATE * found for each in objects if _joins(each) and (found := joined.states([each])) > 1)
    repeated = (times for each in objects for times in _repetitions(each))
    return max(patterns + at_once, sum(map(_order, objects)), *repeated, 0)


def objects_of(schema: Any) -> Iterator[dict[str, Any]]:
    """All JSON objects in a schema, itself included."""
    if isinstance(schema, dict):
        yield schema
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from objects_of(value)


def _order(schema: dict[str, Any]) -> int:
    """The cost of optional properties. Each may follow any that stands before it, so it grows with the square of their
    number. If the schema counts its properties, the grammar also has each count."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return 0
    names = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    optional = len(properties.keys() - names)
    counted = (schema.get(key) for key in ("minProperties", "maxProperties"))
    counts = max((min(count, optional) for count in counted if isinstance(count, int)), default=1)
    return optional * optional // 2 * max(1, counts)


def _expressions(schema: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """The cost of each regular expression of the schema, and the factor by which it multiplies states."""
    if isinstance(pattern := schema.get("pattern"), str):
        yield _expression(pattern)
    if isinstance(named := schema.get("patternProperties"), dict):
        yield from (_expression(pattern) for pattern in named)
    if isinstance(known := schema.get("format"), str):
        yield (_OF_A_SHORT_FORMAT if known in _SHORT_FORMATS else _OF_A_FORMAT), 2


def _expression(pattern: str) -> tuple[int, int]:
    return expressions.cost(pattern), expressions.states(pattern)


def _repetitions(schema: dict[str, Any]) -> Iterator[int]:
    return (value for key, value in schema.items() if key in _REPEATING and isinstance(value, int))


def _joins(schema: dict[str, Any]) -> bool:
    """Whether several parts of the schema apply to the same value."""
    kinds = sum(key in schema for key in ("pattern", "format", "$ref", "anyOf", "oneOf"))
    return len(_listed(schema, "allOf")) + kinds + any(key in schema for key in ("properties", *_OTHERS)) > 1


class _Joined:
    """Counts the states of expressions that have to match the same value, which is the product of their states."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = _LOOKED_AT
        self._varieties: dict[int, int] = {}

    def states(self, parts: list[Any], depth: int = 0) -> int:
        """The largest number of states of a value to which all `parts` apply, or of a value inside it.

        1 if no two expressions apply to the same value; NO_END if there are too many schemas or levels to examine.
        """
        whole = self._whole(parts)
        if self._left < 0 or depth > _MOST_DEPTH:
            return NO_END
        met = [states for each in whole for _, states in _expressions(each)]
        own = math.prod(met) if len(met) > 1 else 1
        inner: dict[str, list[Any]] = {}
        for each in whole if len(whole) > 1 else ():
            for name, value in _inner(each):
                inner.setdefault(name, []).append(value)
        return min(NO_END, max(own, *(self.states(met, depth + 1) for met in inner.values() if len(met) > 1), 1))

    def _whole(self, parts: list[Any]) -> list[dict[str, Any]]:
        """`parts` with the schemas of their `allOf` and `$ref`, and of alternatives the one with the most states."""
        whole = [part for part in parts if isinstance(part, dict)]
        there = {*map(id, whole)}
        for each in whole:  # grows in the loop
            self._left -= 1
            if self._left < 0:
                break
            options = (_listed(each, "anyOf"), _listed(each, "oneOf"))
            chosen = (max(either, key=self._variety) for either in options if either)
            for part in (*_listed(each, "allOf"), self._named(each), *chosen):
                if isinstance(part, dict) and id(part) not in there:
                    there.add(id(part))
                    whole.append(part)
        return whole

    def _named(self, schema: dict[str, Any]) -> Any:
        """The schema that `$ref` refers to; None if there is none."""
        name, found = schema.get("$ref"), self._root
        if not isinstance(name, str):
            return None
        for step in name.partition("#")[2].split("/")[1:]:
            found = found.get(step) if isinstance(found, dict) else None
        return found

    def _variety(self, schema: Any) -> int:
        known = self._varieties.get(id(schema))
        if known is None:
            own = sum(states for _, states in _expressions(schema)) if isinstance(schema, dict) else 0
            inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
            known = self._varieties[id(schema)] = own + sum(map(self._variety, inner))
        return known


def _listed(schema: dict[str, Any], key: str) -> list[Any]:
    value = schema.get(key)
    return value if isinstance(value, list) else []


def _inner(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas for values inside the value, each with a name for its place."""
    properties = schema.get("properties")
    yield from ((f"/{name}", value) for name, value in (properties.items() if isinstance(properties, dict) else ()))
    yield from ((key, schema[key]) for key in _OTHERS if key in schema)
