"""Makes pydantic stop at the first invalid item of a list.

Without this, pydantic validates all items and collects the errors of each, for every member of a union: a large invalid
body would take seconds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator, core_schema

from handrail.core import ahead, json_budget
from handrail.core.collection import PAUSE
from handrail.core.costly import bounded_json, cheaper, is_costly, too_deep
from handrail.core.json_budget import JsonBudget
from handrail.core.schemas import nodes, rebuilt
from handrail.core.unions import Recursion, counting

#: Where a route of FastAPI has its fields: a query or a header may hold JSON, too.
_PARAMETERS = ("body_params", "query_params", "path_params", "header_params", "cookie_params")
_LISTS = ("list", "tuple", "set", "frozenset")
#: Types of items whose validation is so fast that other threads need no turn in between.
_ATOMS = ("str", "int", "float", "bool", "any", "none")


def at_first_error(adapter: TypeAdapter[Any], whole_up_to: int = 0, *, yields: bool = False) -> TypeAdapter[Any]:
    """Change `adapter` so that it reports only the first invalid item of each list, and return it.

    `whole_up_to` is a number of items and keys: input with at most so many still gets all of its errors. With `yields`,
    the interpreter may switch to another thread between two items of a list, for adapters that are used in a thread;
    pydantic itself does not release it.
    """
    schema = adapter.core_schema
    recursion = Recursion(schema)
    make = functools.partial(_failing_fast, schema, recursion)
    if not whole_up_to:
        adapter.validator = _compiled(make(yields))
        return adapter
    has_json = any(node.schema.get("type") == "json" for node in nodes(schema))
    whole = _compiled(_complete(schema, recursion)) if recursion or has_json else adapter.validator
    stepped = _TwoStep(_compiled(make(yields)), lambda: _compiled(make(True)), whole, whole_up_to)
    adapter.validator = cast("SchemaValidator", stepped)
    return adapter


def route_at_first_error(route: Any, whole_up_to: int = 0) -> None:
    """Do the same with the adapters of the bodies and parameters that FastAPI parses for `route`, a FastAPI route.

    A version of FastAPI that stores its adapters elsewhere is left as it is.
    """
    for field in _fields(getattr(route, "dependant", None)):
        adapter = getattr(field, "_type_adapter", None)
        if isinstance(adapter, TypeAdapter):
            at_first_error(adapter, whole_up_to)


class _TwoStep:
    """A validator that stops early, and validates small invalid input again with the complete one for all errors."""

    def __init__(self, fast: Any, yielding: Callable[[], Any], whole: Any, whole_up_to: int) -> None:
        self._fast = fast
        self._yielding = functools.cache(yielding)
        self._whole = whole
        self._whole_up_to = whole_up_to

    def validate_python(self, value: Any, **given: Any) -> Any:
        if done := ahead.found(self, value, given):
            try:
                return done.outcome()
            finally:
                del done  # it has the exception, whose traceback has this frame
        return self._validated(self._fast, value, given)

    def validate_in_thread(self, value: Any, **given: Any) -> Any:
        """The same, and lets other threads run in between."""
        with PAUSE:
            return self._validated(self._yielding(), value, given)

    def _validated(self, fast: Any, value: Any, given: dict[str, Any]) -> Any:
        try:
            return fast.validate_python(value, **given)
        except ValidationError as refused:
            if holds_more(value, self._whole_up_to) or is_costly(refused):
                raise
            few = refused
        except RecursionError as error:
            raise (too_deep(error) or error) from None
        try:
            with json_budget.spending(JsonBudget(self._whole_up_to, self._whole_up_to)):
                return self._whole.validate_python(value, **given)
        except ValidationError as refused:
            raise (few if is_costly(refused) else refused) from None
        finally:
            del few  # its traceback has this frame

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


def holds_more(value: Any, most: int) -> bool:
    """Whether parsed JSON has more items and keys than `most`, nested ones included. Visits at most so many."""
    return _remaining(value, most) < 0


def _remaining(value: Any, most: int) -> int:
    """`most` minus the number of items and keys in `value`; once below zero, the rest is not counted."""
    inner: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    left = most - len(inner)
    for one in inner if left >= 0 else ():
        left = _remaining(one, left)
        if left < 0:
            break
    return left


def _fields(dependant: Any) -> Iterator[Any]:
    for kind in _PARAMETERS:
        yield from getattr(dependant, kind, ())
    for below in getattr(dependant, "dependencies", ()):
        yield from _fields(below)


def _failing_fast(schema: Any, recursion: Recursion, yields: bool) -> Any:
    def failing(original: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
        if inner.get("type") in _LISTS:
            inner["fail_fast"] = True
            items = inner.get("items_schema")
            if yields and isinstance(items, dict) and items["type"] not in _ATOMS:
                inner["items_schema"] = core_schema.no_info_before_validator_function(_as_it_is, items)
        return recursion.bounded(original, cheaper(inner), by_tags=True)

    return _counting(rebuilt(schema, failing), recursion)


def _complete(schema: Any, recursion: Recursion) -> Any:
    """The schema with all of its errors, but for those of unions that contain themselves; JSON in it is counted."""

    def counted(original: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
        if inner.get("type") == "json":
            return bounded_json(inner)
        return recursion.bounded(original, inner, by_tags=False)

    return _counting(rebuilt(schema, counted), recursion)


def _counting(schema: Any, recursion: Recursion) -> Any:
    if any(node.schema.get("type") == "json" for node in nodes(schema)):
        schema = core_schema.no_info_wrap_validator_function(_spending, schema)
    return counting(schema) if recursion else schema


def _spending(given: Any, validate: Callable[[Any], Any]) -> Any:
    """One budget for all JSON of a validation, or that of its request."""
    with json_budget.spending():
        return validate(given)


def _compiled(schema: Any) -> SchemaValidator:
    return SchemaValidator(schema, _use_prebuilt=False)


def _as_it_is(value: Any) -> Any:
    """Return `value`. Each call of a Python function lets the interpreter switch threads."""
    return value
