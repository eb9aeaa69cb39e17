"""The end of what is written, on real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from handrail_container.server.protocols.half_close import end_writing

PATIENCE_S = 20


class Connected(asyncio.Protocol):
    """The server's side of a connection; `client` is the other one."""

    client: socket.socket
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.is_lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost.set()


@pytest.fixture
def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@asynccontextmanager
async def connected(listening: socket.socket) -> AsyncIterator[Connected]:
    with listening, socket.create_connection(listening.getsockname()) as client:
        accepted, _ = listening.accept()
        _, server = await asyncio.get_running_loop().connect_accepted_socket(Connected, accepted)
        server.client = client
        try:
            yield server
        finally:
            server.transport.abort()


async def test_what_was_written_comes_and_then_the_end(listening: socket.socket) -> None:
    async with connected(listening) as server:
        server.transport.write(b"the last words")
        end_writing(server.transport)
        read = await asyncio.to_thread(lambda: server.client.makefile("rb").read())
        assert read == b"the last words"
        assert not server.transport.is_closing()


async def test_a_client_that_hung_up_meanwhile_is_not_waited_for(listening: socket.socket) -> None:
    """What is written to it is answered with a reset before the event loop has seen its end."""
    async with connected(listening) as server:
        server.client.close()
        server.transport.write(b"a")
        end_writing(server.transport)
        await asyncio.wait_for(server.is_lost.wait(), PATIENCE_S)


async def test_one_that_is_closed_is_left_as_it_is(listening: socket.socket) -> None:
    async with connected(listening) as server:
        server.transport.close()
        end_writing(server.transport)
        await asyncio.wait_for(server.is_lost.wait(), PATIENCE_S)
