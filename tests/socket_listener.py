"""A listener in this process, an application of the test's own behind it, and clients that speak WebSocket to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from handrail_container.server.listener import Listener, bind
from handrail_container.server.protocols.timeouts import Timeouts
from handrail_container.server.protocols.websocket import SocketProtocol
from starlette.types import ASGIApp
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

PATIENCE_S = 20
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"
UPGRADE = b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
HANDSHAKE = b"GET /ws HTTP/1.1\r\n" + UPGRADE + VERSION + KEY + b"\r\n"


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


class Raw:
    """A socket to a listener."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one answer that has a length."""
        line, *lines = (await self.head()).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(line.split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)

    async def exactly(self, data: bytes) -> None:
        assert await asyncio.wait_for(self.reader.readexactly(len(data)), PATIENCE_S) == data

    async def rest(self) -> bytes:
        """What comes until the server hangs up."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE_S)

    def reads_no_more(self) -> None:
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]


class Listening:
    """A listener; its connections are looked at only when the test lets time pass."""

    def __init__(self, listener: Listener, port: int) -> None:
        self.listener = listener
        self.port = port
        self._now = time.monotonic() + 1_000

    @property
    def connections(self) -> set[Any]:
        return self.listener.server_state.connections

    @property
    def protocol(self) -> SocketProtocol:
        (protocol,) = self.connections
        assert isinstance(protocol, SocketProtocol)
        return protocol

    def let_pass(self, seconds: int) -> None:
        for _ in range(seconds):
            self._now += 1
            for connection in list(self.connections):
                if isinstance(connection, SocketProtocol):
                    connection.check_timeouts(self._now)

    @asynccontextmanager
    async def raw(self, first: bytes = b"") -> AsyncIterator[Raw]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(first)
        try:
            yield Raw(reader, writer)
        finally:
            writer.transport.abort()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Raw]:
        async with self.raw(HANDSHAKE) as raw:
            assert (await raw.head()).startswith(b"HTTP/1.1 101 ")
            yield raw

    def client(self, **more: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}/ws", proxy=None, **more)


@asynccontextmanager
async def listening(app: ASGIApp, most: float = 1 << 20) -> AsyncIterator[Listening]:
    listener = Listener(app, most, timeouts=Timeouts(check_ticks=1 << 60))
    with bind("127.0.0.1", 0) as bound:
        serving = asyncio.create_task(listener.serve(sockets=[bound]))
        try:
            yield Listening(listener, bound.getsockname()[1])
        finally:
            listener.should_exit = True
            await serving


async def until(happens: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not happens():
            await asyncio.sleep(0.005)
