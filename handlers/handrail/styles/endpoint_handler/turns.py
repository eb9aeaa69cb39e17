"""The turns of requests: so many at a time, in the order in which they came.

A turn is over when its call has ended, even if its request has ended before: a thread cannot be stopped, and a handler
that is called once at a time must not be called beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from threading import Lock
from typing import Any


class CallTurns:
    """All methods are called in the event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._free = asyncio.Semaphore(most)
        self._left = 0
        self._moved_at = 0.0

    @property
    def are_taken(self) -> bool:
        return self._free.locked()

    async def take(self) -> Turn:
        await self._free.acquire()
        return Turn(self)

    def stuck_s(self) -> float:
        """Seconds for which all turns have been held by calls whose requests are over; 0 if one is not."""
        return time.monotonic() - self._moved_at if self._left >= self.most else 0.0

    def give_back(self) -> None:
        self._free.release()

    def leave_behind(self) -> None:
        self._left += 1
        self._moved_at = time.monotonic()

    def give_back_late(self) -> None:
        self._left -= 1
        self._free.release()


class Turn:
    """The turn of one request, which ends when the context is left, or before."""

    def __init__(self, turns: CallTurns) -> None:
        self._turns = turns
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._is_running = self._is_over = False

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *raised: object) -> None:
        self.end()

    def run(self, function: Callable[..., Any], *given: Any) -> Any:
        """Call the function. Called in a thread; a turn that is over by then calls nothing."""
        with self._lock:
            if self._is_over:
                return None
            self._is_running = True
        try:
            return function(*given)
        finally:
            with self._lock:
                self._is_running, is_late = False, self._is_over
            if is_late:
                with contextlib.suppress(RuntimeError):  # the loop has closed
                    self._loop.call_soon_threadsafe(self._turns.give_back_late)

    def end(self) -> None:
        """The turn is the next one's, once its call has ended. Called in the event loop; a second time does nothing."""
        with self._lock:
            was_over, self._is_over = self._is_over, True
            is_running = self._is_running
        if is_running and not was_over:
            self._turns.leave_behind()
        elif not was_over:
            self._turns.give_back()
