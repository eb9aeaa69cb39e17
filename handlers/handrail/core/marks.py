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
"""Mark the function that answers `/ping`: `@custom_ping_handler`.

It may take nothing, `request`, `handrail.Engine`, or anything FastAPI understands. True and None mean 200, False means
503; anything else is an answer as for `custom_invocation_handler`.
"""
custom_invocation_handler = decorator(
    Slot.INVOCATION, "custom_invocation_handler", "Mark the function that answers `/invocations`."
)
"""Mark the function that answers `/invocations`: `@custom_invocation_handler`.

It may take nothing, `request`, `handrail.Engine`, or anything FastAPI understands, such as a pydantic model of the
body. It may return a Starlette response, a generator, or anything that FastAPI can encode as JSON. What it raises is a
500 that names its line; an `HTTPException` keeps its status.
"""
custom_stream_handler = decorator(
    Slot.STREAM, "custom_stream_handler", "Mark the function that answers WebSockets: `async def f(websocket)`."
)
"""Mark the function that answers WebSockets at `/invocations-bidirectional-stream`: `async def f(websocket)`.

It may take `handrail.Engine`, too. The WebSocket is accepted before the call, and closed after it.
"""
input_formatter = decorator(
    WrapperSlot.INPUT_FORMATTER, "input_formatter", "Mark `f(request)`, which sees each request before its handler."
)
"""Mark `f(request)`, which is called with each request before its handler.

It may change the request and return it, or return nothing. A response that it returns is the answer, and the handler is
not called.
"""
output_formatter = decorator(
    WrapperSlot.OUTPUT_FORMATTER, "output_formatter", "Mark `f(response)`, which sees each response after its handler."
)
"""Mark `f(response)`, which is called with each response after its handler.

It may change the response and return it, return another one, or return nothing to keep it.
"""
on_startup = decorator(Moment.STARTUP, "on_startup", "Mark a function to run once the engine is ready.")
"""Mark a function to run once the engine is ready, before the first request.

It may take nothing, `handrail.Engine`, or `app`. If it raises, the server does not start and exits with 3.
"""
on_shutdown = decorator(Moment.SHUTDOWN, "on_shutdown", "Mark a function to run before the engine stops.")
"""Mark a function to run after the last request, before the engine stops.

It may take nothing, `handrail.Engine`, or `app`.
"""


def custom_middleware(place: str) -> Callable[[F], F]:
    """Mark `async def f(request, call_next)`, or an ASGI class, as middleware around the handlers.

    Args:
        place: `"throttle"` (outermost) or `"pre_post_process"` (next to the handler).

    Returns:
        The decorator; it returns the function as it is.

    Raises:
        ValueError: `place` is neither of the two.
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
