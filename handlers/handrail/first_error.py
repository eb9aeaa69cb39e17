"""Validation that ends at the first item of a list that is wrong: pydantic goes on to the last, and collects what every
member of a union has to say of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

_LISTS = ("list", "tuple", "set", "frozenset")
#: What is no schema, and may look like one.
_DATA = ("default", "metadata", "serialization", "expected")


def at_first_error(adapter: TypeAdapter[Any], whole_up_to: int = 0) -> TypeAdapter[Any]:
    """The same adapter, which from now on reports no more than the first wrong item of each list. What has at most
    `whole_up_to` items and keys is reported on in whole."""
    fast = SchemaValidator(_failing_fast(adapter.core_schema), _use_prebuilt=False)
    adapter.validator = cast("SchemaValidator", _TwoStep(fast, adapter.validator, whole_up_to)) if whole_up_to else fast
    return adapter


def route_at_first_error(route: Any, whole_up_to: int = 0) -> None:
    """The same for the bodies that FastAPI parses for `route`, in the versions that keep their adapters as we know."""
    for field in _bodies(getattr(route, "dependant", None)):
        adapter = getattr(field, "_type_adapter", None)
        if isinstance(adapter, TypeAdapter):
            at_first_error(adapter, whole_up_to)


class _TwoStep:
    """As much of pydantic's validator as is asked for: what is refused and small is looked at again."""

    def __init__(self, fast: Any, whole: Any, whole_up_to: int) -> None:
        self._fast = fast
        self._whole = whole
        self._whole_up_to = whole_up_to

    def validate_python(self, value: Any, **given: Any) -> Any:
        try:
            return self._fast.validate_python(value, **given)
        except ValidationError:
            if _remaining(value, self._whole_up_to) < 0:
                raise
        return self._whole.validate_python(value, **given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


def _remaining(value: Any, most: int) -> int:
    """What is left of `most` once every item and key of `value` has taken one; below zero where they do not suffice."""
    inner: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    left = most - len(inner)
    for one in inner if left >= 0 else ():
        left = _remaining(one, left)
        if left < 0:
            break
    return left


def _bodies(dependant: Any) -> Iterator[Any]:
    yield from getattr(dependant, "body_params", ())
    for below in getattr(dependant, "dependencies", ()):
        yield from _bodies(below)


def _failing_fast(schema: Any) -> Any:
    if isinstance(schema, dict):
        marked = {key: value if key in _DATA else _failing_fast(value) for key, value in schema.items()}
        return {**marked, "fail_fast": True} if marked.get("type") in _LISTS else marked
    return [_failing_fast(one) for one in schema] if isinstance(schema, list) else schema
