"""Replaces pydantic schemas whose validation can cost far more than its input with schemas that stop early.

- An object is validated in pieces. Validation stops after the first piece with an invalid pair.
- Equal hashes among the keys of an object and the items of a set are counted. A client can choose numbers, dates or
  addresses with equal hashes, and each insertion then takes time proportional to the size of the set.
- JSON in a string is counted before it is parsed.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

from handrail.core import json_budget
from handrail.core.json_budget import LARGE_JSON
from handrail.core.unions import TRIES, around

#: Pairs of an object that are validated at once, and so the most errors that are collected for one object.
_PIECE = 100
#: The most different values with equal hashes in one set or object.
_MOST_ALIKE = 60
#: Types whose hashes a client cannot choose (Python hashes them with a secret), or that have few values.
_SAFE = ("str", "bytes", "bool", "none", "literal", "enum")
#: Types of which every value is valid.
_RIGHT = ("any",)
_ALIKE = "alike"
#: Python's compiler of regular expressions.
_COMPILERS = ("re._parser", "re._compiler")
#: The most keys of an object that are validated, plus ten for each field, if unknown keys are forbidden.
_MOST_KEYS = 1_000


class _Alike:
    """Counts different values with equal hashes. `add` raises PydanticCustomError above _MOST_ALIKE."""

    def __init__(self) -> None:
        self._first: dict[int, Any] = {}
        self._count = 0

    def add(self, value: Any) -> None:
        try:
            same = self._first.setdefault(hash(value), value)
        except TypeError:
            return  # not hashable: pydantic reports that when it builds the set
        self._count += same is not value and same != value
        if self._count > _MOST_ALIKE:
            raise PydanticCustomError(_ALIKE, "Too many values have the same hash, which makes a set of them slow")


_alike: ContextVar[_Alike] = ContextVar("_alike")


def cheaper(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema`, or a schema around it that stops early. Its inner schemas are expected to be replaced already.

    `schema` is a core schema of pydantic. Valid input gives the same result.
    """
    kind = schema.get("type")
    if kind == "dict":
        return around(schema, _cheaper_dict)
    if kind in ("set", "frozenset") and not _is_safe(schema.get("items_schema")):
        return around(schema, _cheaper_set)
    if kind == "json":
        return bounded_json(schema)
    if kind == "model" and (schema.get("config") or {}).get("extra_fields_behavior") == "forbid":
        return around(schema, _fewer_keys)
    return schema


def too_deep(error: RecursionError) -> ValidationError | None:
    """The error for a regular expression of the client's that Python cannot compile; None for any other recursion."""
    frames = traceback.walk_tb(error.__traceback__)
    if not any(frame.f_globals.get("__name__") in _COMPILERS for frame, _ in frames):
        return None
    told = PydanticCustomError("pattern_too_deep", "A regular expression in it is nested too deeply")
    return ValidationError.from_exception_data("body", [{"type": told, "loc": (), "input": None}])


def bounded_json(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema around `schema`, of JSON in a string, that counts it first."""
    return around(schema, lambda inner: core_schema.no_info_before_validator_function(json_budget.counted, inner))


def is_costly(refused: ValidationError) -> bool:
    """Whether an error is about cost: pydantic's own schema might accept the input, after a long time."""
    errors = refused.errors(include_url=False, include_context=False, include_input=False)
    return any(error["type"] in (_ALIKE, LARGE_JSON, TRIES) for error in errors)


def _is_safe(schema: Any) -> bool:
    """Whether a client cannot choose equal hashes. An item schema of `any` or None is not safe: JSON has numbers."""
    return isinstance(schema, dict) and schema["type"] in _SAFE


def _cheaper_dict(schema: Any) -> Any:
    keys, values = schema.get("keys_schema"), schema.get("values_schema")
    if (keys is None or keys["type"] in ("str", *_RIGHT)) and (values is None or values["type"] in _RIGHT):
        return schema
    least, most = schema.pop("min_length", None), schema.pop("max_length", None)
    if keys is not None and not _is_safe(keys):
        schema["keys_schema"] = core_schema.no_info_after_validator_function(_looked_at, keys)

    def in_pieces(given: Any, validate: Callable[[Any], Any]) -> Any:
        with _watched():
            whole = _in_pieces(given, validate)
        _require_length(len(whole), least, most)
        return whole

    return core_schema.no_info_wrap_validator_function(in_pieces, schema)


def _in_pieces(given: Any, validate: Callable[[Any], Any]) -> Any:
    if not isinstance(given, dict) or len(given) <= _PIECE:
        return validate(given)
    pairs, whole = iter(given.items()), {}
    while piece := dict(islice(pairs, _PIECE)):
        whole.update(validate(piece))
    return whole


def _require_length(length: int, least: int | None, most: int | None) -> None:
    """Check the length of the whole object, which no piece knows. Raises pydantic's own errors."""
    if least is not None and length < least:
        raise PydanticKnownError(
            "too_short", {"field_type": "Dictionary", "min_length": least, "actual_length": length}
        )
    if most is not None and length > most:
        raise PydanticKnownError("too_long", {"field_type": "Dictionary", "max_length": most, "actual_length": None})


def _cheaper_set(schema: Any) -> Any:
    items = schema.get("items_schema") or core_schema.any_schema()
    schema["items_schema"] = core_schema.no_info_after_validator_function(_looked_at, items)

    def watched(given: Any, validate: Callable[[Any], Any]) -> Any:
        with _watched():
            return validate(given)

    return core_schema.no_info_wrap_validator_function(watched, schema)


@contextmanager
def _watched() -> Iterator[None]:
    """Count equal hashes for one set or object; nested ones have their own counts."""
    before = _alike.set(_Alike())
    try:
        yield
    finally:
        _alike.reset(before)


def _looked_at(value: Any) -> Any:
    _alike.get().add(value)
    return value


def _fewer_keys(schema: Any) -> Any:
    """Validate only some keys of an object with more keys than names: it is invalid, and those are enough to say so."""
    most = _MOST_KEYS + 10 * len(schema["schema"].get("fields", ()))

    def few(given: Any) -> Any:
        return dict(islice(given.items(), most)) if isinstance(given, dict) and len(given) > most else given

    return core_schema.no_info_before_validator_function(few, schema)
