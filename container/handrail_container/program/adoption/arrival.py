"""The engine as objects of the script wait for it: it is not there yet, it is there, or it will not be."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any, NamedTuple

#: Seconds that a use waits for the engine. No start of an engine takes so long; a script that waits for ever could not
#: be told from one that works.
_LONGEST_S = 3600.0


class Running(NamedTuple):
    """The engine's client, the event loop that it belongs to, and the tasks that the model supports."""

    client: Any
    loop: asyncio.AbstractEventLoop
    tasks: tuple[str, ...] = ()


class EngineArrival:
    """May be used from any thread and any event loop."""

    def __init__(self) -> None:
        self._future: Future[Running] = _pending()

    @property
    def is_settled(self) -> bool:
        return self._future.done()

    @property
    def running(self) -> Running | None:
        """The engine; None if it is not there."""
        done = self._future.done() and self._future.exception() is None
        return self._future.result() if done else None

    def come(self, running: Running) -> None:
        self._future.set_result(running)

    def fail(self, reason: str) -> None:
        """Every use from now on, and those that wait, raise RuntimeError with the reason."""
        if self._future.done():
            self._future = _pending()
        self._future.set_exception(RuntimeError(reason))

    def wait(self) -> Running:
        """Block this thread until the engine is there. Raises RuntimeError if it will not be, TimeoutError after an
        hour."""
        return self._future.result(_LONGEST_S)

    async def awaited(self) -> Running:
        """The same for a coroutine, on any event loop."""
        if self._future.done():
            return self._future.result()
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._future)), _LONGEST_S)


def _pending() -> Future[Running]:
    future: Future[Running] = Future()
    future.set_running_or_notify_cancel()  # a waiting coroutine that is cancelled does not cancel it for the others
    return future
