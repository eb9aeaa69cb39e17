"""The decorators: each notes its function with whoever is loading the script, and returns it unchanged.

There is no registry that outlives a load: `collect` opens a list for the time a script runs, and outside of it (the
script imported by its author's own tests, say) a decorator does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from handrail.slots import Slot

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Mark:
    """One use of a decorator. Not an attribute of the function: a later `def` of the same name hides that one."""

    slot: Slot
    function: Callable[..., Any]


_collected: ContextVar[list[Mark] | None] = ContextVar("handrail_marks", default=None)


@contextmanager
def collect() -> Iterator[list[Mark]]:
    """Every mark made inside, in order; marks of modules the script imports are among them."""
    marks: list[Mark] = []
    token = _collected.set(marks)
    try:
        yield marks
    finally:
        _collected.reset(token)


def _mark(slot: Slot, function: F) -> F:
    if not callable(function):
        raise TypeError(f"@{slot.decorator} marks a function, not {function!r}")
    marks = _collected.get()
    if marks is not None:
        marks.append(Mark(slot, function))
    return function


@overload
def custom_ping_handler(function: F) -> F: ...
@overload
def custom_ping_handler() -> Callable[[F], F]: ...
def custom_ping_handler(function: F | None = None) -> F | Callable[[F], F]:
    """Mark the function that answers `/ping`. Written with or without parentheses."""
    return _decorate(Slot.PING, function)


@overload
def custom_invocation_handler(function: F) -> F: ...
@overload
def custom_invocation_handler() -> Callable[[F], F]: ...
def custom_invocation_handler(function: F | None = None) -> F | Callable[[F], F]:
    """Mark the function that answers `/invocations`. Written with or without parentheses."""
    return _decorate(Slot.INVOCATION, function)


def _decorate(slot: Slot, function: F | None) -> F | Callable[[F], F]:
    return (lambda later: _mark(slot, later)) if function is None else _mark(slot, function)
