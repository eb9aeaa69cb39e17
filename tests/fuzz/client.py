"""A client that takes the steps of an attack, and hears what is said to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import NamedTuple

from tests.fuzz.steps import HalfClose, Hear, Leave, Pause, Send, Step

#: Sent to a connection that is quiet: the end of a head that is not whole, and a request that closes.
_LAST = b"\r\n\r\nGET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#: The same to a WebSocket: the close frame.
_LAST_FRAME = b"\x88\x80\0\0\0\0"
#: Of what a server says, more is not kept.
_MOST_HEARD = 1 << 20


class Patience(NamedTuple):
    """A connection quiet for `quiet_s` is asked to answer and end; it hangs if it then is for `hung_s`. Others wait at
    most `late_s`, and for `/ping` of a blocked loop `guarded_s`."""

    quiet_s: float = 2.0
    hung_s: float = 20.0
    late_s: float = 5.0
    guarded_s: float = 5.0


class Client:
    """A connection, and what was said on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: Patience) -> None:
        self._writer = writer
        self._patience = patience
        self.heard = b""
        self.was_asked_again = False
        self._heard_at = time.monotonic()
        self._reading = asyncio.create_task(self._read(reader))  # what is read late is lost where it is reset

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 20):
                self.heard += piece[: _MOST_HEARD - len(self.heard)]
                self._heard_at = time.monotonic()

    @property
    def has_ended(self) -> bool:
        return self._reading.done()

    async def take(self, step: Step) -> str | None:
        """A fault of the server's, if it shows at once."""
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Hear):
            return await self._hear(step.said)
        elif isinstance(step, HalfClose):
            with contextlib.suppress(OSError):
                self._writer.write_eof()
        elif isinstance(step, Leave):
            self._writer.transport.abort()
        elif isinstance(step, Send):
            await self._send(step)
        return None

    async def _send(self, step: Send) -> None:
        data = step.data() if callable(step.data) else step.data
        with contextlib.suppress(ConnectionError, TimeoutError):  # what it said before it hung up may still be read
            for _ in range(step.times):
                if self.has_ended:
                    return
                self._writer.write(data)
                await asyncio.wait_for(self._writer.drain(), step.patience_s)
                await asyncio.sleep(0)

    async def _hear(self, said: bytes) -> str | None:
        deadline = time.monotonic() + self._patience.hung_s
        while said not in self.heard:
            if self.has_ended or time.monotonic() > deadline:
                return f"it did not say {said!r}"
            await asyncio.wait({self._reading}, timeout=0.01)
        return None

    async def end(self) -> bool:
        """Whether the server answers once more, or ends the connection: whether it does not hang."""
        while not self.has_ended and (left := self._heard_at + self._patience.quiet_s - time.monotonic()) > 0:
            await asyncio.wait({self._reading}, timeout=left)
        if self.has_ended:
            return True
        self.was_asked_again, said = True, len(self.heard)
        with contextlib.suppress(ConnectionError):
            self._writer.write(_LAST_FRAME if b"HTTP/1.1 101 " in self.heard else _LAST)
        if not said:
            await asyncio.wait({self._reading}, timeout=self._patience.hung_s)
            return self.has_ended or bool(self.heard)
        await asyncio.wait({self._reading}, timeout=self._patience.quiet_s)
        return self.has_ended or len(self.heard) > said or await self._ends_with_us()

    async def _ends_with_us(self) -> bool:
        """All was answered, and what was said last may be part of a body, or of a frame, that is not whole: the rest
        may be waited for, but no longer than there is a client."""
        with contextlib.suppress(OSError):
            self._writer.write_eof()
        await asyncio.wait({self._reading}, timeout=self._patience.hung_s)
        return self.has_ended

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def stay(self) -> socket.socket:
        """The connection, open though this client is closed."""
        return self._writer.get_extra_info("socket").dup()  # type: ignore[no-any-return]

    def close(self) -> None:
        self._reading.cancel()
        self._writer.transport.abort()
