"""The bounded queue of a WebSocket's messages that its handler has not received yet."""

from __future__ import annotations

import asyncio
import sys
from collections import deque

from starlette.types import Message

#: Messages that may wait; while so many do, no more are read.
MOST_WAITING = 64
#: Bytes of memory after which no more are read; the message that passes this bound is still kept.
MOST_WAITING_BYTES = 1 << 20


class Inbox:
    """A FIFO queue. The disconnect comes last, and again for each `get` after it."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._over: Message | None = None
        self._has_some = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def is_full(self) -> bool:
        return not self._has_room.is_set()

    async def room(self) -> None:
        """Returns once another message may be put in."""
        await self._has_room.wait()

    def put(self, message: Message) -> None:
        self._messages.append(message)
        self._bytes += _size(message)
        self._has_some.set()
        if len(self._messages) >= MOST_WAITING or self._bytes >= MOST_WAITING_BYTES:
            self._has_room.clear()

    async def get(self) -> Message:
        await self._has_some.wait()
        if not self._messages:
            assert self._over is not None
            return self._over
        message = self._messages.popleft()
        self._bytes -= _size(message)
        if len(self._messages) < MOST_WAITING and self._bytes < MOST_WAITING_BYTES:
            self._has_room.set()
        if not self._messages and self._over is None:
            self._has_some.clear()
        return message

    def end(self, code: int, reason: str = "") -> None:
        """The client has left: the messages that it sent before stay. The first code counts."""
        self._over = self._over or {"type": "websocket.disconnect", "code": code, "reason": reason}
        self._has_some.set()

    def cut(self, code: int, reason: str = "") -> None:
        """We end the connection: the messages that wait are dropped."""
        self._messages.clear()
        self._bytes = 0
        self._has_room.set()
        self.end(code, reason)


def _size(message: Message) -> int:
    """Bytes in memory: one rare character makes a text take four bytes for each."""
    return sys.getsizeof(message.get("text") or message.get("bytes") or b"")
