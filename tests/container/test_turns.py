"""A generator that awaits nothing: the others have their turn, and it ends with its client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from handrail.core.answers import to_response
from handrail.core.slots import Slot
from handrail_container.http.explain import explain_ours
from handrail_container.routes.endpoint import Endpoint
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.container.test_protocol import PING, Running, running, until

App = Callable[[Scope, Receive, Send], Awaitable[None]]
ENDLESS = b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"


class Endless:
    """Applications that send without ever waiting, and how they ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def pieces(self) -> AsyncIterator[str]:
        try:
            while True:
                yield "x" * 1000
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise

    async def generator(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await to_response(self.pieces(), Slot.INVOCATION))(scope, receive, send)

    async def starlettes(self, scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(self.pieces())(scope, receive, send)

    async def raw(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        except OSError as error:
            self.ended.append(type(error).__name__)
            raise


def serve(run: Running, app: App) -> None:
    run.gate.endpoints["/endless"] = Endpoint(app, (), explain_ours)


async def drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 20):
        pass


@pytest.mark.parametrize("kind", ["generator", "starlettes", "raw"])
async def test_others_are_answered_while_its_client_reads_and_when_it_has_left(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And it ends, without an error of anybody's in the log."""
    endless = Endless()
    async with running() as run, run.client() as other:
        serve(run, getattr(endless, kind))
        async with run.client() as client:
            await client.send(ENDLESS)
            reading = asyncio.create_task(drain(client.reader))
            for _ in range(5):
                await other.send(PING)
                assert (await other.answer())[2] == b"pong"
            reading.cancel()
        await other.send(PING)
        assert (await other.answer())[2] == b"pong"
        await until(lambda: not run.gate.requests.total)
    if kind != "starlettes":  # who leaves its generator to the collector
        assert endless.ended == [{"raw": "ClientLeft", "generator": "GeneratorExit"}[kind]]
    assert not [line for line in caplog.messages if "bug in Handrail" in line]


async def test_slow_readers_that_are_cut_hold_up_nobody() -> None:
    """200 at once."""
    endless = Endless()
    async with running() as run, run.client() as other:
        serve(run, endless.generator)
        slow = [await asyncio.open_connection("127.0.0.1", run._port) for _ in range(200)]
        for _, writer in slow:
            writer.write(ENDLESS)
        await until(lambda: run.gate.requests.total == 200)
        for connection in [*run.listener.server_state.connections]:
            if connection.cycle is not None and not connection.cycle.response_complete:
                connection.transport.abort()
        await other.send(PING)
        async with asyncio.timeout(5):
            assert (await other.answer())[2] == b"pong"
        await until(lambda: not run.gate.requests.total)
        for _, writer in slow:
            writer.transport.abort()


async def test_a_generator_may_still_see_that_its_client_has_left() -> None:
    """What it sends meanwhile goes nowhere."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def pieces() -> AsyncIterator[str]:
            while True:
                yield "x"
                await asyncio.sleep(0.01)
                if not [one for one in run.listener.server_state.connections if one.scope is scope]:
                    seen.append("left")
                    return

        await (await to_response(pieces(), Slot.INVOCATION))(scope, receive, send)

    async with running() as run:
        serve(run, app)
        async with run.client() as client:
            await client.send(ENDLESS)
            await client.reader.readuntil(b"x")
        await until(lambda: not run.gate.requests.total)
    assert seen == ["left"]


async def test_an_os_error_of_a_stream_s_own_is_no_client_that_left(caplog: pytest.LogCaptureFixture) -> None:
    """Starlette says the same of both."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def pieces() -> AsyncIterator[str]:
            yield "data: 1\n\n"
            raise FileNotFoundError("no such shard")

        await (await to_response(pieces(), Slot.INVOCATION))(scope, receive, send)

    failed: list[tuple[int, bool]] = []
    async with running() as run, run.client() as client:
        serve(run, app)
        run.gate.when_over = lambda exchange: failed.append((exchange.status, exchange.has_failed))
        await client.send(ENDLESS)
        await client.reader.readuntil(b"event: error")
        await until(lambda: failed)
    assert failed == [(200, True)]
    assert any("a bug in Handrail" in line for line in caplog.messages)  # whose endpoint it is here
