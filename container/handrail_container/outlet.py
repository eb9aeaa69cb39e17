"""What a connection writes: the head of an answer of known length goes out with the first of its body.

Uvicorn writes one after the other, and its loop sends what is written at once: to the system, and to the client, that
is twice the work.
"""

from __future__ import annotations

import asyncio
from typing import Any

#: In the head of an answer whose body follows; a stream's has none, and its client may wait for the head alone.
_LENGTH = b"\r\ncontent-length: "
#: A larger piece of a body is not copied to stand behind its head.
_MAX_JOINED = 64 * 1024


class Outlet:
    """A transport that keeps such a head until something is written after it, or the answer or connection ends."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.is_closing = transport.is_closing
        self._is_head_next = False
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def begin(self) -> None:
        """An answer begins."""
        self._is_head_next = True

    def write(self, data: bytes) -> None:
        is_head, self._is_head_next = self._is_head_next, False
        if is_head and _LENGTH in data:
            self._head = data
            return
        if self._head and len(data) < _MAX_JOINED:
            data, self._head = self._head + data, b""
        else:
            self.flush()
        self.transport.write(data)

    def flush(self) -> None:
        if self._head:
            self.transport.write(self._head)
            self._head = b""

    def write_eof(self) -> None:
        self.flush()
        self.transport.write_eof()

    def close(self) -> None:
        self.flush()
        self.transport.close()
