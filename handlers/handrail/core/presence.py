"""Whether the client is still there, for whoever waits on its behalf."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

T = TypeVar("T")


class ClientLeft(ConnectionResetError):
    """What `send` raises once the client has left, as ASGI has it since 2.4."""

    def __init__(self) -> None:
        super().__init__("the client has left: there is nobody to send to")


async def unless_left(request: HTTPConnection, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; it is cancelled, and ClientDisconnect raised, where the client leaves first.

    Any number of these may wait on one request.
    """
    working = asyncio.ensure_future(work)
    calls: set[asyncio.Future[Any]] | None = request.scope.get("state", {}).get("handrail.calls")
    if calls is not None:  # the server ends them
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
    """For a server that does not say when a client has left: its messages do."""
    from starlette.requests import ClientDisconnect

    if not _is_read(request):  # to wait for the client would be to take its body from whoever reads it later
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
    """Cancelled, and waited for: the engine's request has been aborted by then."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # what it raised when it was cancelled is nobody's any more


def _is_read(request: HTTPConnection) -> bool:
    return hasattr(request, "_body") or getattr(request, "_stream_consumed", False)


async def _departure(request: HTTPConnection) -> None:
    """Returns once the client has left."""
    receive = request._receive  # type: ignore[attr-defined]  # `is_disconnected` polls; this waits
    while (await receive())["type"] != "http.disconnect":
        pass


@contextmanager
def watch_disconnect(request: HTTPConnection, loop: asyncio.AbstractEventLoop) -> Iterator[threading.Event]:
    """An event that is set when the client leaves; it may be asked in any thread."""
    event = threading.Event()

    async def watch() -> None:
        await _departure(request)
        event.set()

    watching = asyncio.run_coroutine_threadsafe(watch(), loop)
    try:
        yield event
    finally:
        watching.cancel()
