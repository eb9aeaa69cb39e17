"""Counts JSON in strings before it is parsed: all of one request together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pydantic_core import PydanticCustomError

LARGE_JSON = "json_too_large"
#: In a request's `state`: its bounds on JSON, which have `objects` and `values`.
BOUNDS = "handrail.json_bounds"
#: The most objects and arrays, and the most values, if the request has no bounds.
_MOST_OBJECTS = 100_000
_MOST_VALUES = 1_000_000


class JsonBudget:
    """The objects and arrays, and the values, that strings may still have."""

    def __init__(self, objects: int = _MOST_OBJECTS, values: int = _MOST_VALUES) -> None:
        self._most = {"objects": objects, "values": values}
        self._objects = objects
        self._values = values

    def spend(self, text: str) -> None:
        """Raises PydanticCustomError if no more is allowed."""
        opened = text.count("[") + text.count("{")
        self._objects -= opened
        self._values -= opened + text.count(",") + text.count(":")
        if self._objects < 0 or self._values < 0:
            raise PydanticCustomError(
                LARGE_JSON,
                "JSON in strings may have {objects} objects and arrays, and {values} values, in one request together",
                self._most,
            )


_budget: ContextVar[JsonBudget | None] = ContextVar("_budget", default=None)


def begin(state: Mapping[str, Any]) -> None:
    """Begin the budget of a request, which has `state`; all validations of its task share it."""
    bounds = state.get(BOUNDS)
    _budget.set(JsonBudget(bounds.objects, bounds.values) if bounds else JsonBudget())


@contextmanager
def spending(budget: JsonBudget | None = None) -> Iterator[None]:
    """Spend from `budget`; without one, from that of the request, or from a new one."""
    before = _budget.set(budget or _budget.get() or JsonBudget())
    try:
        yield
    finally:
        _budget.reset(before)


def counted(value: Any) -> Any:
    """`value`, counted if it is text, as a validator before pydantic's own of JSON. To be called while `spending`."""
    text = value.decode(errors="replace") if isinstance(value, bytes | bytearray) else value
    budget = _budget.get()
    if budget is not None and isinstance(text, str):
        budget.spend(text)
    return value
