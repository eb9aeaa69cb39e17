"""What many clients together may make the server hold: bodies that come, and answers that nobody reads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from handrail_container.gate.bodies import MOST_FIELDS, Bodies
from handrail_container.gate.exchange import Exchange
from handrail_container.http.json_bounds import NO_BOUNDS, TooMuchJson
from starlette.types import Message

from tests.container.test_protocol import Client, Running, running, until

MB = 1_000_000


def sends(size: int, path: str = "read") -> bytes:
    return b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path.encode(), size)


@asynccontextmanager
async def bounded(together: int) -> AsyncIterator[Running]:
    async with running() as run:
        run.gate.bodies = Bodies(MB, together)
        yield run


async def test_bodies_that_come_share_what_there_is() -> None:
    """Those that fit are held; the next is 503, and whoever comes after one has gone is served."""
    async with bounded(2 * MB) as run, AsyncExitStack() as stack:
        held = [await stack.enter_async_context(run.client()) for _ in range(2)]
        for client in held:
            await client.send(sends(MB) + b"x" * (MB - 1))
        await until(lambda: run.gate.bodies.held == 2 * (MB - 1))
        late = await stack.enter_async_context(run.client())
        await late.send(sends(MB) + b"x" * 100_000)
        status, headers, body = await late.answer()
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        assert "HANDRAIL_MAX_BODIES_MB" in json.loads(body)["error"]["message"]
        await held[0].send(b"x")
        assert (await held[0].answer())[2] == b"1000000"
        await until(lambda: run.gate.bodies.held == MB - 1)
        again = await stack.enter_async_context(run.client())
        await again.send(sends(MB) + b"x" * MB)
        assert (await again.answer())[0] == 200
        small = await stack.enter_async_context(run.client())
        await small.send(sends(5) + b"small")
        assert (await small.answer())[2] == b"5"
    await until(lambda: run.gate.bodies.held == 0)


@pytest.mark.parametrize("sign", [b"&", b";"])
async def test_the_fields_of_a_form_are_counted_as_they_come(sign: bytes) -> None:
    """Also those that have nothing in them: a parser calls back for each. In other bodies they are text."""
    form = b"Content-Type: application/x-www-form-urlencoded; charset=utf-8"
    async with running() as run:
        for kind, fields, expected in ((form, MOST_FIELDS + 1, 413), (form, MOST_FIELDS, 200), (b"X: y", 900_000, 200)):
            async with run.client() as client:
                await client.send(sends(fields).replace(b"\r\n\r\n", b"\r\n" + kind + b"\r\n\r\n") + sign * fields)
                status, _, body = await client.answer()
                assert (status, b"fields" in body) == (expected, expected == 413)


async def test_one_body_always_has_room() -> None:
    """Though the limit of one is above that of all."""
    async with bounded(1) as run, run.client() as client:
        await client.send(sends(MB) + b"x" * MB)
        assert (await client.answer())[2] == b"1000000"


async def test_a_client_that_leaves_midway_gives_its_room_back() -> None:
    async with bounded(2 * MB) as run:
        async with run.client() as client:
            await client.send(sends(MB) + b"x" * 500_000)
            await until(lambda: run.gate.bodies.held == 500_000)
        await until(lambda: run.gate.bodies.held == 0)


async def test_chunks_count_and_are_told_from_one_body_that_is_too_large() -> None:
    async with bounded(2 * MB) as run, run.client() as client:
        await client.send(b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.send(b"%x\r\n%b\r\n" % (MB + 1, b"x" * (MB + 1)))
        assert (await client.answer())[0] == 413
    assert run.gate.bodies.held == 0


async def test_what_is_read_after_the_end_of_a_request_is_not_counted() -> None:
    """Nobody would give it back."""

    async def received() -> Message:
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": True}

    async def nobody(message: Message) -> None:
        """Sends nothing."""

    bodies = Bodies(MB, MB)
    exchange = Exchange({"type": "http", "path": "/", "headers": []}, nobody)
    receive = bodies.limited(exchange, received)
    await receive()
    assert bodies.held == exchange.body_bytes == 100_000
    exchange.close()
    bodies.release(exchange)
    await receive()
    assert (bodies.held, exchange.body_bytes) == (0, 0)


@pytest.mark.parametrize("pieces", [[b"[" * 900], [b"[" * 100] * 9], ids=["whole", "in pieces"])
async def test_the_depth_of_a_small_body_is_counted_too(pieces: list[bytes]) -> None:
    """A parser takes what is 900 deep, and what copies or writes it does not."""
    given = iter(pieces)

    async def received() -> Message:
        return {"type": "http.request", "body": next(given), "more_body": True}

    async def nobody(message: Message) -> None:
        """Sends nothing."""

    exchange = Exchange({"type": "http", "path": "/", "headers": [(b"content-length", b"900")]}, nobody)
    receive = Bodies(MB, MB).limited(exchange, received, NO_BOUNDS._replace(depth=200))

    async def read() -> None:
        for _ in pieces:
            await receive()

    with pytest.raises(TooMuchJson, match="more than 200 deep") as refused:
        await read()
    assert refused.value.status_code == 400


async def test_answers_that_nobody_reads_share_what_there_is(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond it those go that leave the most; whoever reads is not touched."""
    async with running() as run, AsyncExitStack() as stack:
        run.listener._max_unread_bytes = 30 * MB
        clients: list[Client] = []
        for _ in range(3):  # 20 MB each, of which the system takes some
            clients.append(await stack.enter_async_context(run.client()))
            await clients[-1].send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: any("HANDRAIL_MAX_UNREAD_MB" in line for line in caplog.messages))
        connections = run.listener.server_state.connections
        await until(lambda: sum(one.transport.get_write_buffer_size() for one in connections) <= 30 * MB)
        whole = [await whole_of(client) for client in clients]
        assert 0 < sum(whole) < 3


async def whole_of(client: Client) -> bool:
    try:
        return len((await client.answer())[2]) == 20 * MB
    except (OSError, EOFError):  # it was cut off
        return False
