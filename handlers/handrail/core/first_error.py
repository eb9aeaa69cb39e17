"""Validation that ends at the first item of a list that is wrong: pydantic goes on to the last, and collects what every
member of a union has to say of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator, core_schema

from handrail.core.costly import cheaper, is_costly

_LISTS = ("list", "tuple", "set", "frozenset")
#: What is no schema, and may look like one.
_DATA = ("default", "metadata", "serialization", "expected")
#: A million of these take no time.
_ATOMS = ("str", "int", "float", "bool", "any", "none")


def at_first_error(adapter: TypeAdapter[Any], whole_up_to: int = 0, *, yields: bool = False) -> TypeAdapter[Any]:
    """The same adapter, which from now on reports no more than the first wrong item of each list. What has at most
    `whole_up_to` items and keys is reported on in whole. One that `yields` is for a thread: between two items of a list
    other threads may have the interpreter, which pydantic keeps for itself else."""
    fast = SchemaValidator(_failing_fast(adapter.core_schema, yields), _use_prebuilt=False)
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
        except ValidationError as refused:
            if holds_more(value, self._whole_up_to) or is_costly(refused):
                raise
        return self._whole.validate_python(value, **given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


def holds_more(value: Any, most: int) -> bool:
    """Whether JSON as Python has it has more items and keys than `most`; looks at no more than so many."""
    return _remaining(value, most) < 0


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


def _failing_fast(schema: Any, yields: bool = False) -> Any:
    if isinstance(schema, list):
        return [_failing_fast(one, yields) for one in schema]
    if not isinstance(schema, dict):
        return schema
    marked = {key: value if key in _DATA else _failing_fast(value, yields) for key, value in schema.items()}
    if marked.get("type") in _LISTS:
        marked["fail_fast"] = True
        items = marked.get("items_schema")
        if yields and isinstance(items, dict) and items["type"] not in _ATOMS:
            marked["items_schema"] = core_schema.no_info_before_validator_function(_as_it_is, items)
    return cheaper(marked)


def _as_it_is(value: Any) -> Any:
    """To call it is all: the interpreter looks then whether another thread waits for it."""
    return value
