"""The decorators: each notes its function with whoever is loading the script, and returns it unchanged.

There is no registry that outlives a load: `collect` opens a list for the time a script runs, and outside of it (the
script imported by its author's own tests, say) a decorator does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, overload

from handrail.core.slots import Moment, Role, Slot, WrapperSlot

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Mark:
    """One use of a decorator. Not an attribute of the function: a later `def` of the same name hides that one.

    `is_registered` marks what a framework would register: it answers where nobody customized the slot.
    """

    role: Role
    function: Callable[..., Any]
    is_registered: bool = False


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


def mark(role: Role, function: F, *, is_registered: bool = False) -> F:
    """Note `function` with whoever is loading, and return it."""
    if not callable(function):
        raise TypeError(f"@{role.decorator} marks a function, not {function!r}")
    marks = _collected.get()
    if marks is not None:
        marks.append(Mark(role, function, is_registered))
    return function


class Decorator(Protocol):
    """A decorator written with or without parentheses."""

    @overload
    def __call__(self, function: F) -> F: ...
    @overload
    def __call__(self) -> Callable[[F], F]: ...


def decorator(role: Role, name: str, doc: str, *, is_registered: bool = False) -> Decorator:
    def decorate(function: Any = None) -> Any:
        if function is None:
            return lambda later: mark(role, later, is_registered=is_registered)
        return mark(role, function, is_registered=is_registered)

    decorate.__name__ = decorate.__qualname__ = name
    decorate.__doc__ = doc
    return decorate


custom_ping_handler = decorator(Slot.PING, "custom_ping_handler", "Mark the function that answers `/ping`.")
custom_invocation_handler = decorator(
    Slot.INVOCATION, "custom_invocation_handler", "Mark the function that answers `/invocations`."
)
custom_stream_handler = decorator(
    Slot.STREAM, "custom_stream_handler", "Mark the function that answers WebSockets: `async def f(websocket)`."
)
input_formatter = decorator(
    WrapperSlot.INPUT_FORMATTER, "input_formatter", "Mark `f(request)`, which sees each request before its handler."
)
output_formatter = decorator(
    WrapperSlot.OUTPUT_FORMATTER, "output_formatter", "Mark `f(response)`, which sees each response after its handler."
)
on_startup = decorator(Moment.STARTUP, "on_startup", "Mark a function to run once the engine is ready.")
on_shutdown = decorator(Moment.SHUTDOWN, "on_shutdown", "Mark a function to run before the engine stops.")


def custom_middleware(place: str) -> Callable[[F], F]:
    """Mark `f(request, call_next)`, or an ASGI class, that stands around the handlers.

    `place` is "throttle" (outermost) or "pre_post_process" (next to the handler). Raises ValueError for any other.
    """
    places = (WrapperSlot.THROTTLE, WrapperSlot.PRE_POST_PROCESS)
    if place not in places:
        raise ValueError(f"custom_middleware takes {' or '.join(repr(p.value) for p in places)}, not {place!r}")
    return lambda function: mark(WrapperSlot(place), function)


register_ping_handler = decorator(
    Slot.PING, "register_ping_handler", "Mark the answer to `/ping` where nobody customized it.", is_registered=True
)
register_invocation_handler = decorator(
    Slot.INVOCATION,
    "register_invocation_handler",
    "Mark the answer to `/invocations` where nobody customized it.",
    is_registered=True,
)


def register_handler(name: str) -> Callable[[F], F]:
    """The same by name: "ping" or "invoke". Raises ValueError for any other."""
    slots = {"ping": Slot.PING, "invoke": Slot.INVOCATION}
    if name not in slots:
        raise ValueError(f"register_handler takes {' or '.join(map(repr, slots))}, not {name!r}")
    return lambda function: mark(slots[name], function, is_registered=True)
