"""Schemas of pydantic's whose validation costs more than its input: each as one that ends early.

Objects are validated piece by piece, so that the first piece with a wrong pair is the last that is looked at. Keys and
items of sets are watched for hashes that are alike: whoever chooses numbers, dates or addresses may choose them so that
each takes a set as long as all before it. JSON in a string is counted before it is parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

#: Pairs of an object that are validated at once: so many errors there may be.
_PIECE = 100
#: Values that may differ and have one hash, in one set or object.
_MOST_ALIKE = 60
#: What Python hashes with a secret, or has few of.
_SAFE = ("str", "bytes", "bool", "none", "literal", "enum")
#: Values that cannot be wrong.
_RIGHT = ("any",)
#: Objects and arrays, and values, of JSON in a string.
_MOST_OBJECTS = 100_000
_MOST_VALUES = 1_000_000
_ALIKE, _LARGE_JSON = "alike", "json_too_large"
#: Keys of an object, beside ten for each field, where others than the fields' are wrong.
_MOST_KEYS = 1_000


class _Alike:
    """Counts different values with the same hash."""

    def __init__(self) -> None:
        self._first: dict[int, Any] = {}
        self._count = 0

    def add(self, value: Any) -> None:
        try:
            same = self._first.setdefault(hash(value), value)
        except TypeError:
            return  # whoever wants to hash it says what is wrong
        self._count += same is not value and same != value
        if self._count > _MOST_ALIKE:
            raise PydanticCustomError(_ALIKE, "Too many values have the same hash, which makes a set of them slow")


_alike: ContextVar[_Alike] = ContextVar("_alike")


def cheaper(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema`, or one around it that ends early; what it holds is as it is to be."""
    kind = schema.get("type")
    if kind == "dict":
        return _around(schema, _cheaper_dict)
    if kind in ("set", "frozenset") and not _is_safe(schema.get("items_schema")):
        return _around(schema, _cheaper_set)
    if kind == "json":
        return _around(schema, lambda inner: core_schema.no_info_before_validator_function(_bounded_json, inner))
    if kind == "model" and (schema.get("config") or {}).get("extra_fields_behavior") == "forbid":
        return _around(schema, _fewer_keys)
    return schema


def is_costly(refused: ValidationError) -> bool:
    """Whether something was refused for what it costs: to pydantic alone it may be right."""
    errors = refused.errors(include_url=False, include_context=False, include_input=False)
    return any(error["type"] in (_ALIKE, _LARGE_JSON) for error in errors)


def _around(schema: dict[str, Any], make: Callable[[Any], Any]) -> dict[str, Any]:
    """What others refer to is the outer one."""
    name = schema.get("ref")
    made: dict[str, Any] = make({key: value for key, value in schema.items() if key != "ref"})
    return {**made, "ref": name} if name else made


def _is_safe(schema: Any) -> bool:
    """Any means what JSON has, and objects and arrays have no hash."""
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
    """In pydantic's own words: a piece cannot know."""
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
    """One set or object: those in it have a count of their own."""
    before = _alike.set(_Alike())
    try:
        yield
    finally:
        _alike.reset(before)


def _looked_at(value: Any) -> Any:
    _alike.get().add(value)
    return value


def _bounded_json(value: Any) -> Any:
    text = value.decode(errors="replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""
    opened = text.count("[") + text.count("{")
    if opened > _MOST_OBJECTS or opened + text.count(",") + text.count(":") > _MOST_VALUES:
        raise PydanticCustomError(
            _LARGE_JSON,
            "JSON in a string may have {objects} objects and arrays, and {values} values",
            {"objects": _MOST_OBJECTS, "values": _MOST_VALUES},
        )
    return value


def _fewer_keys(schema: Any) -> Any:
    """It is wrong already where it has more keys than it may have names: some of them are enough to say so."""
    most = _MOST_KEYS + 10 * len(schema["schema"].get("fields", ()))

    def few(given: Any) -> Any:
        return dict(islice(given.items(), most)) if isinstance(given, dict) and len(given) > most else given

    return core_schema.no_info_before_validator_function(few, schema)
