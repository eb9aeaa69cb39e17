"""Spreads the work of many tasks over several iterations of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Lets at most `each` tasks continue in one iteration of the event loop; the others wait in order of arrival.

    A request with a thousand prompts makes a thousand tasks. All of them would run in one iteration, and other requests
    would wait that long.
    """

    def __init__(self, each: int) -> None:
        self._each = each
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        if not self._taken:
            asyncio.get_running_loop().call_soon(self._begin)
        if self._taken < self._each and not self._waiting:
            self._taken += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _begin(self) -> None:
        """Begin the next iteration. A waiter that was cancelled meanwhile takes no place in it."""
        self._taken = 0
        while self._waiting and self._taken < self._each:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._taken += 1
        if self._taken:
            asyncio.get_running_loop().call_soon(self._begin)
