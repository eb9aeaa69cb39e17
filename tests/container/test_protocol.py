"""What a client may send before anybody reads it: over real sockets, to a real listener in this process."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from handrail_container.gate.admission import Lanes
from handrail_container.gate.gate import Gate
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.http.envelope import MAX_BYTES
from handrail_container.http.explain import explain_ours
from handrail_container.routes.endpoint import Endpoint
from handrail_container.server.listener import Listener, bind
from handrail_container.server.protocols.connection import Connection
from handrail_container.server.protocols.timeouts import DEFAULT_TIMEOUTS, Timeouts
from handrail_container.settings.fields import Settings
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.socket_listener import PATIENCE_S
from tests.socket_listener import Raw as Client

PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"


class Running:
    """A listener, the gate behind it, and what its endpoints were asked."""

    def __init__(self, gate: Gate, listener: Listener, port: int) -> None:
        self.gate = gate
        self.listener = listener
        self._port = port
        self.may_answer = asyncio.Event()
        self.asked: list[str] = []

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()

    @property
    def connection(self) -> Connection:
        (connection,) = self.listener.server_state.connections
        assert isinstance(connection, Connection)
        return connection

    async def ping(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("pong")(scope, receive, send)

    async def read(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with its body's length."""
        self.asked.append("read")
        body = await Request(scope, receive).body()
        await PlainTextResponse(str(len(body)))(scope, receive, send)

    async def wait(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers once it is told to."""
        self.asked.append("wait")
        await self.may_answer.wait()
        await PlainTextResponse("waited")(scope, receive, send)

    async def flood(self, scope: Scope, receive: Receive, send: Send) -> None:
        """More than a socket holds of what nobody takes."""
        await PlainTextResponse(b"f" * 20_000_000)(scope, receive, send)

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A first piece, then nothing, while the body comes."""

        async def pieces() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            await Request(scope, receive).body()

        await StreamingResponse(pieces(), media_type="text/event-stream")(scope, receive, send)


@asynccontextmanager
async def running(timeouts: Timeouts = DEFAULT_TIMEOUTS) -> AsyncIterator[Running]:
    lifecycle = Lifecycle()
    for state in (State.LOADING, State.WARMING, State.READY):
        lifecycle.move(state, str(state))
    gate = Gate(lifecycle, Lanes(Settings()), max_body_bytes=1e6, access_log="all")
    listener = Listener(gate, timeouts=timeouts)
    with bind("127.0.0.1", 0) as listening:
        run = Running(gate, listener, listening.getsockname()[1])
        for app in (run.ping, run.read, run.wait, run.flood, run.stream):
            gate.endpoints[f"/{app.__name__}"] = Endpoint(app, (), explain_ours)
        serving = asyncio.create_task(listener.serve(sockets=[listening]))
        sweeping = asyncio.create_task(gate.sweep())
        try:
            yield run
        finally:
            listener.should_exit = True
            await serving
            sweeping.cancel()


@asynccontextmanager
async def asked(app: ASGIApp, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> AsyncIterator[tuple[Running, Client]]:
    """A client of a server whose `/it` is `app`."""
    async with running(timeouts) as run, run.client() as client:
        run.gate.endpoints["/it"] = Endpoint(app, (), explain_ours)
        yield run, client


#: Times that a test can wait for.
SHORT = Timeouts(0.2, 0.2, 1)


async def until(happens: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not happens():
            await asyncio.sleep(0.005)


HEAD = b"GET /ping HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "kind", "words"),
    [
        (b"NONSENSE\r\n\r\n", 400, "bad_request", "not a request of HTTP/1.1"),
        (b"\x16\x03\x01\x02\x00\x01", 400, "bad_request", "not a request"),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request", "there is no `OPTIONS *` here"),
        (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request", "begins with /"),
        (b"GET http://a b/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request", ""),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request", "whole http address"),
        (b"POST /read HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "bad_request", ""),
        (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\n\r\n", 414, "uri_too_long", "16 KiB"),
        (b"GET /" + b"a" * 500_000, 414, "uri_too_long", "16 KiB"),
        (HEAD + b"A: b\r\n" * 201 + b"\r\n", 431, "request_header_fields_too_large", "200 headers"),
        (HEAD + (b"A: " + b"b" * 990 + b"\r\n") * 70 + b"\r\n", 431, "request_header_fields_too_large", "64 KiB"),
        (HEAD + b"A: " + b"b" * 500_000, 431, "request_header_fields_too_large", "64 KiB"),
        (b"\r\n" * 40_000, 400, "bad_request", "64 KiB of empty lines before a request"),
        (b"\n" * 80_000, 400, "bad_request", "64 KiB of empty lines before a request"),
        (HEAD + b'Cookie: a="' + b"\\" * 60_000 + b'"\r\n\r\n', 431, "request_header_fields_too_large", "backslashes"),
        (HEAD + b'Cookie: a="\\1"\r\n' * 40 + b"Cookie: " + b"\\1" * 20_000 + b"\r\n\r\n", 431, None, "backslashes"),
    ],
)
async def test_what_is_not_within_the_limits_is_told_so_in_the_envelope(
    request_: bytes, status: int, kind: str | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With an id that is in the header, in the body and in the log; and the connection ends."""
    caplog.set_level(logging.INFO, "handrail.access")
    async with running() as run, run.client() as client:
        await client.send(request_)
        given, headers, body = await client.answer()
        assert await client.rest() == b""
    error = json.loads(body)["error"]
    assert (given, error["code"], error["type"]) == (status, status, kind or error["type"])
    assert words in error["message"]
    assert (headers["connection"], headers["content-type"]) == ("close", "application/json")
    assert headers["x-request-id"] == error["request_id"]
    assert f"request_id={error['request_id']}" in caplog.text
    assert len(body) <= MAX_BYTES


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /ping?" + b"a" * 16_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD + b"A: b\r\n" * 199 + b"\r\n",
        HEAD + (b"A: " + b"b" * 990 + b"\r\n") * 60 + b"\r\n",
        HEAD + b'Cookie: a="{' + rb"\"key\":1," * 500 + b'}"\r\n\r\n',
        b"\r\n" * 20_000 + PING,
    ],
)
async def test_what_is_within_the_limits_is_answered(request_: bytes) -> None:
    """Just so; in one piece and in many."""
    async with running() as run, run.client() as client:
        for size in (len(request_), 1000):
            for start in range(0, len(request_), size):
                await client.send(request_[start : start + size])
                await asyncio.sleep(0)
            assert (await client.answer())[0] == 200


async def test_a_body_is_no_part_of_the_next_head() -> None:
    """However large it is, and however much of it comes together with what follows."""
    async with running() as run, run.client() as client:
        post = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n" + b"b" * 400_000
        for _ in range(2):
            await client.send(post + PING[:10])
            assert (await client.answer())[2] == b"400000"
            await client.send(PING[10:])
            assert (await client.answer())[2] == b"pong"


async def test_what_is_too_large_and_broken_is_refused_once() -> None:
    """By the first that is noticed."""
    async with running() as run, run.client() as client:
        await client.send(HEAD)
        await until(lambda: run.listener.server_state.connections)
        run.connection.data_received(b"A: " + b"b" * 70_000 + b"\0")
        assert (await client.answer())[0] == 400
        assert await client.rest() == b""


async def test_the_request_id_of_what_is_refused_is_the_client_s() -> None:
    """Where it came as far as that."""
    async with running() as run, run.client() as client:
        await client.send(b"GET /ping HTTP/1.1\r\nX-Request-Id: mine\r\nHost: x\r\nbad header\r\n\r\n")
        assert (await client.answer())[1]["x-request-id"] == "mine"


@pytest.mark.parametrize(("start", "more"), [(b"G", b""), (b"GET /ping HTTP/1.1\r\nHost: x\r\n", b"X")])
async def test_a_head_that_never_ends_is_408(start: bytes, more: bytes) -> None:
    """Also where a byte comes now and then."""
    async with running(SHORT) as run, run.client() as client:
        await client.send(start)
        trickle = asyncio.create_task(_trickle(client, more))
        status, headers, body = await client.answer()
        trickle.cancel()
        assert (status, headers["connection"]) == (408, "close")
        assert json.loads(body)["error"]["type"] == "request_timeout"


async def _trickle(client: Client, data: bytes) -> None:
    while True:
        await asyncio.sleep(0.05)
        await client.send(data)


@pytest.mark.parametrize("data", [b"", b"\r\n"])
async def test_a_client_that_asks_nothing_is_hung_up_on(data: bytes) -> None:
    """Without a word: there is no request to answer. Empty lines are no request either."""
    async with running(SHORT) as run, run.client() as client:
        trickle = asyncio.create_task(_trickle(client, data))
        with suppress(ConnectionResetError):  # what it sent meanwhile was not read
            assert await client.rest() == b""
        trickle.cancel()


async def test_a_request_that_takes_its_time_is_not_hung_up_on() -> None:
    """Nor is its client, right after it: its time begins anew."""
    async with running(SHORT) as run, run.client() as client:
        await client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.6)
        run.may_answer.set()
        assert (await client.answer())[0] == 200
        await client.send(PING)
        assert (await client.answer())[0] == 200


async def test_a_client_that_takes_nothing_of_its_answer_is_cut_off() -> None:
    """What is kept for it is let go."""
    async with running(SHORT) as run, run.client() as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: run.listener.server_state.connections)
        await until(lambda: not run.listener.server_state.connections)


async def test_what_came_before_a_fault_is_still_answered() -> None:
    """Then the client hears of the fault, and the connection ends."""
    async with running() as run, run.client() as client:
        await client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: run.asked)
        await client.send(b"garbage\r\n\r\n")
        await client.send(b"more garbage\r\n\r\n")
        await asyncio.sleep(0.05)
        run.may_answer.set()
        assert (await client.answer())[2] == b"waited"
        assert (await client.answer())[0] == 400
        assert await client.rest() == b""


async def test_a_fault_behind_requests_that_wait_ends_none_of_them(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as run, run.client() as client:
        await client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" + PING + PING + b"garbage\r\n\r\n")
        await until(lambda: run.asked)
        run.may_answer.set()
        assert [(await client.answer())[0] for _ in range(4)] == [200, 200, 200, 400]
        assert await client.rest() == b""
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("path", [b"/read", b"/stream"])
async def test_a_broken_body_ends_its_request(path: bytes) -> None:
    """400 where nothing was said yet; a stream that has begun is cut."""
    async with running() as run, run.client() as client:
        await client.send(b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % path)
        if path == b"/stream":
            await client.reader.readuntil(b"data: 1\n\n")
        else:
            await until(lambda: run.asked)
        await client.send(b"not a size\r\n")
        answer = await client.rest()
        await until(lambda: not run.gate.requests.total)
    assert answer.startswith(b"HTTP/1.1 400 " if path == b"/read" else b"\r\n")


async def test_nothing_is_written_to_a_client_that_has_left() -> None:
    """It sent what cannot be, and went."""
    async with running() as run, run.client() as client:
        await client.send(PING)
        await client.answer()
        connection = run.connection
        connection.transport.close()
        connection.data_received(b"\0")
        assert await client.rest() == b""


async def test_all_requests_of_a_connection_that_is_lost_are_told() -> None:
    """The one that runs, and those that came in one step with its body."""
    async with running() as run, run.client() as client:
        wait = b"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
        await client.send(wait * 3)
        await until(lambda: run.asked)
        assert len(run.connection.unanswered()) == 3
        run.connection.transport.abort()  # its client's leaving is not seen before: nothing is read meanwhile
        await until(lambda: not run.gate.requests.total)


@pytest.mark.parametrize("wanted", ["no answer", "half an answer"])
async def test_an_application_that_does_not_answer_is_500(wanted: str) -> None:
    """In the envelope: what was said has not been written yet."""

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        if wanted == "half an answer":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})

    async with running() as run, run.client() as client:
        run.gate.endpoints["/silent"] = Endpoint(silent, (), explain_ours)
        await client.send(b"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n")
        status, _, body = await client.answer()
        assert (status, json.loads(body)["error"]["type"]) == (500, "internal_server_error")


async def unsendable(status: int, headers: dict[str, Any]) -> tuple[int, bytes]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("body", status, headers=headers)(scope, receive, send)

    async with running() as run, run.client() as client:
        run.gate.endpoints["/app"] = Endpoint(app, (), explain_ours)
        await client.send(b"GET /app HTTP/1.1\r\nHost: x\r\n\r\n")
        given, _, body = await client.answer()
        return given, body


@pytest.mark.parametrize(
    ("status", "headers"), [(200, {"X-Echo": "a\r\nSet-Cookie: b"}), (200, {"X": "\0"}), (99, {}), (700, {})]
)
async def test_an_answer_that_cannot_be_sent_is_500(status: int, headers: dict[str, Any]) -> None:
    """A client's line break in a header of the handler's goes no further; and the client hears that it did not."""
    given, body = await unsendable(status, headers)
    assert given == 500
    assert b"Set-Cookie" not in body


@pytest.mark.parametrize(
    ("headers", "expected"),
    [("", "http 127.0.0.1"), ("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n", "https 203.0.113.9")],
)
async def test_what_a_proxy_on_this_machine_says_of_its_client_is_believed(headers: str, expected: str) -> None:
    """As uvicorn does; it is only not asked where no such header is there."""

    async def who(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(f"{scope['scheme']} {scope['client'][0]}")(scope, receive, send)

    async with running() as run, run.client() as client:
        run.gate.endpoints["/who"] = Endpoint(who, (), explain_ours)
        await client.send(f"GET /who HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        assert (await client.answer())[2].decode() == expected


async def test_the_answer_to_head_is_its_head() -> None:
    """It does not wait for a body that never comes."""
    async with running() as run, run.client() as client:
        await client.send(PING.replace(b"GET", b"HEAD"))
        assert b"content-length: 4" in await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        await client.send(PING)
        assert (await client.answer())[2] == b"pong"
