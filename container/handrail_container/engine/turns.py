"""Work for many that come at once, spread over turns of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Lets so many through in each turn of the loop; the others wait in the order in which they came. One request of
    a thousand prompts is a thousand tasks, all of which would run in one turn, and keep everybody else out."""

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
        """The next turn of the loop: those who have left meanwhile take no place in it."""
        self._taken = 0
        while self._waiting and self._taken < self._each:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._taken += 1
        if self._taken:
            asyncio.get_running_loop().call_soon(self._begin)
