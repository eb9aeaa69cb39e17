"""A body that nobody reads, as its request is answered without it: how much and how long it may go on."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from handrail_container.server.protocols.http import MAX_DISCARDED_BYTES
from handrail_container.server.protocols.timeouts import Timeouts

from tests.container.test_protocol import PING, _trickle, running, until

#: A body in chunks, of a request that nobody reads.
UNREAD = b"POST /ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(size: int) -> bytes:
    return b"%x\r\n%b\r\n" % (size, b"b" * size)


async def test_a_small_rest_of_a_body_that_nobody_reads_keeps_the_connection() -> None:
    """It is discarded, and the next request is answered; each body has the whole bound."""
    async with running() as run, run.client() as client:
        for _ in range(3):
            await client.send(UNREAD)
            assert (await client.answer())[2] == b"pong"
            for _ in range(6):
                await client.send(chunk(10_000))
            await client.send(b"0\r\n\r\n" + PING)
            assert (await client.answer())[2] == b"pong"


@pytest.mark.parametrize("head", [UNREAD, b"POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"])
async def test_more_of_a_body_that_nobody_reads_ends_the_connection(head: bytes) -> None:
    """The client sees the end behind its answer; one that sends on is cut after some more."""
    async with running() as run, run.client() as client:
        await client.send(head)
        assert (await client.answer())[2] == b"pong"
        piece = chunk(1 << 18)
        await client.send(piece)
        assert await client.rest() == b""
        (connection,) = run.listener.server_state.connections
        with suppress(ConnectionError):
            while run.listener.server_state.connections:
                await client.send(piece)
        assert connection._discarded_bytes < MAX_DISCARDED_BYTES + (1 << 20)


async def test_long_extensions_of_chunks_count_as_the_body_that_they_are() -> None:
    async with running() as run, run.client() as client:
        await client.send(UNREAD)
        assert (await client.answer())[2] == b"pong"
        await client.send((b"1;" + b"x" * 30_000 + b"\r\nb\r\n") * 3)
        assert await client.rest() == b""


async def test_a_rest_that_trickles_has_a_time() -> None:
    """Also where a byte comes now and then; the keep-alive time is for clients that are between requests."""
    async with running(Timeouts(check_ticks=1, rest_s=0.2)) as run, run.client() as client:
        await client.send(UNREAD)
        assert (await client.answer())[2] == b"pong"
        trickle = asyncio.create_task(_trickle(client, chunk(1)))
        assert await client.rest() == b""
        await until(lambda: not run.listener.server_state.connections)
        trickle.cancel()
        await asyncio.gather(trickle, return_exceptions=True)


async def test_who_sends_all_of_a_large_body_first_reads_the_answer() -> None:
    """Also where the answer ends the connection, as 413 does."""
    for path, length in ((b"/ping", 900_000), (b"/read", 5_000_000)):
        async with running() as run, run.client() as client:
            head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path, length)
            await client.send(head)
            for _ in range(length // 100_000):
                await client.send(b"b" * 100_000)
                await asyncio.sleep(0)
            assert (await client.answer())[0] == (200 if path == b"/ping" else 413)
            assert await client.rest() == b""
