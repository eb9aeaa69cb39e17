"""Detects a client's disconnect while work is done on its behalf."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

T = TypeVar("T")


class Asker(Protocol):
    """A request, for the calls of the engine that are made for it: they are cancelled when it `is_over`.

    `calls` are futures on the server's event loop.
    """

    calls: set[asyncio.Future[Any]]

    @property
    def is_over(self) -> bool: ...


#: The request for which code runs; threads have it too. Set only if a program builds an engine of its own.
asker: ContextVar[Asker | None] = ContextVar("handrail_asker", default=None)


class ClientLeft(ConnectionResetError):
    """Raised by `send` after a disconnect, as ASGI specifies since 2.4."""

    def __init__(self) -> None:
        super().__init__("the client has left: there is nobody to send to")


async def unless_left(request: HTTPConnection, work: Coroutine[Any, Any, T]) -> T:
    """Await `work`; if the client disconnects first, cancel it and raise ClientDisconnect.

    Several calls may wait on one request.
    """
    working = asyncio.ensure_future(work)
    calls: set[asyncio.Future[Any]] | None = request.scope.get("state", {}).get("handrail.calls")
    if calls is not None:  # the server cancels these on a disconnect
        calls.add(working)
        try:
            return await _awaited(working)
        finally:
            calls.discard(working)
            await _ended(working)
    return await _unless_gone(request, working)


async def _awaited(working: asyncio.Future[T]) -> T:
    from starlette.requests import ClientDisconnect

    await asyncio.wait({working})
    if working.cancelled():
        raise ClientDisconnect
    return working.result()


async def _unless_gone(request: HTTPConnection, working: asyncio.Future[T]) -> T:
    """For other servers, which report a disconnect only by an ASGI message."""
    from starlette.requests import ClientDisconnect

    if not _is_read(request):  # waiting would consume the body, which is read later
        return await working
    leaving = asyncio.ensure_future(_departure(request))
    try:
        waited: set[asyncio.Future[Any]] = {working, leaving}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        leaving.cancel()
        await _ended(working)


async def _ended(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for its end: the engine's request has been aborted by then."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # retrieved, so that asyncio does not log it


def _is_read(request: HTTPConnection) -> bool:
    return hasattr(request, "_body") or getattr(request, "_stream_consumed", False)


async def _departure(request: HTTPConnection) -> None:
    """Return once the client has disconnected."""
    receive = request._receive  # type: ignore[attr-defined]  # `is_disconnected` polls; this waits
    while (await receive())["type"] != "http.disconnect":
        pass


@contextmanager
def watch_disconnect(request: HTTPConnection, loop: asyncio.AbstractEventLoop) -> Iterator[threading.Event]:
    """An event that is set when the client disconnects; it may be read in any thread."""
    event = threading.Event()

    async def watch() -> None:
        await _departure(request)
        event.set()

    watching = asyncio.run_coroutine_threadsafe(watch(), loop)
    try:
        yield event
    finally:
        watching.cancel()
