"""RFC 9112's framing: the corpus of `tests/wire`, over real sockets, and the answers that handlers send."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest
from handrail_container.http.framing import fault_of_head
from handrail_container.server.listener import Listener, bind
from handrail_container.server.protocols.connection import Connection
from handrail_container.server.protocols.timeouts import Timeouts
from starlette.requests import Request, cookie_parser
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.container.test_protocol import PING, asked, until
from tests.wire import corpus
from tests.wire.answers import Answer, echo, said_to, taken_apart
from tests.wire.corpus import CASES, SOCKETS, Split

Seen = tuple[tuple[int, ...], tuple[bytes, ...]]


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[tuple[int, Listener]]:
    """Its port, and the listener."""
    listener = Listener(app)
    with bind("127.0.0.1", 0) as socket:
        serving = asyncio.create_task(listener.serve(sockets=[socket]))
        await until(lambda: listener.started)
        try:
            yield socket.getsockname()[1], listener
        finally:
            listener.should_exit = True
            await serving


async def seen(port: int, parts: list[bytes]) -> Seen:
    """The statuses, and the bodies of good answers."""
    answers = taken_apart(await said_to(port, parts))
    return tuple(each.status for each in answers), tuple(each.body for each in answers if each.status == 200)


@pytest.mark.parametrize("split", [corpus.at_once, corpus.byte_by_byte, corpus.line_by_line])
async def test_what_is_sent_is_read_as_the_rfc_has_it(split: Split) -> None:
    """However a network delivers it. A WebSocket in pieces is open before the rest comes."""
    cases = [case for case in CASES if split is corpus.at_once or case not in SOCKETS]
    async with listening(echo) as (port, _):
        found = {case.name: await seen(port, split(case.sent)) for case in cases}
    assert found == {case.name: (case.statuses, case.read) for case in cases}


@pytest.mark.parametrize("name", ["h2c with a length", "h2c in chunks", "Expect of h2c"])
async def test_an_offer_is_read_the_same_wherever_its_bytes_part(name: str) -> None:
    case = corpus.BY_NAME[name]
    async with listening(echo) as (port, _):
        for place in range(1, len(case.sent)):
            assert await seen(port, [case.sent[:place], case.sent[place:]]) == (case.statuses, case.read), place


async def test_what_a_websocket_sends_before_it_is_open_is_refused() -> None:
    """However large it is; nothing is written to a connection that has become another protocol's."""
    head = corpus.BY_NAME["a WebSocket, and more"].sent.removesuffix(corpus.SMUGGLED)
    async with listening(echo) as (port, _):
        statuses, _ = await seen(port, [head[:40], head[40:] + b"x" * 100_000])
    assert statuses == (400,)


@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n"])
async def test_a_websocket_without_a_body_is_opened(length: bytes) -> None:
    """Here it is refused by the application, which was asked."""
    head = corpus.BY_NAME["a WebSocket, and more"].sent.removesuffix(corpus.SMUGGLED)
    async with listening(echo) as (port, _):
        statuses, _ = await seen(port, [head[:-2] + length + b"\r\n"])
    assert statuses == (403,)


TINY = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_requests_that_wait_are_not_read() -> None:
    """One connection sends 20 MB of them, and 40 more do: no memory grows with what a client sends."""
    holding = asyncio.Event()

    async def hold(scope: Scope, receive: Receive, send: Send) -> None:
        """As whoever watches for its client to leave: a few times, and then for good."""
        await receive()
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(receive(), 0.02)
        await holding.wait()
        await PlainTextResponse("ok")(scope, receive, send)

    async with listening(hold) as (port, listener):
        floods = [asyncio.create_task(_flood(port)) for _ in range(5)]
        await until(lambda: len(listener.server_state.connections) == 5)
        await asyncio.sleep(0.5)
        for connection in listener.server_state.connections:
            assert isinstance(connection, Connection)
            assert len(connection._held) <= 1 << 18  # one read of the socket
            assert len(connection.unanswered()) == 1
        for flood in floods:
            flood.cancel()
        await asyncio.gather(*floods, return_exceptions=True)
        holding.set()


async def _flood(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for _ in range(20):
            writer.write(TINY * 38_000)
            await writer.drain()
    finally:
        writer.transport.abort()


async def test_20_mb_of_pipelined_requests_do_not_grow_the_memory() -> None:
    """Answered one after the other; the process keeps nothing of them."""
    count = 0
    process = psutil.Process()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal count
        count += 1
        await PlainTextResponse(b"ok")(scope, receive, send)

    async with listening(answer) as (port, _):
        gc.collect()
        before = process.memory_info().rss
        flood = asyncio.create_task(_flood(port))
        await until(lambda: count > 5000)
        grown = process.memory_info().rss - before
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
    assert grown < 30 << 20  # what this test itself has written and not sent is in it; it was 600 MB


async def test_pipelined_answers_come_in_order() -> None:
    """Bodies of any length between them, full of what looks like the end of a head, in whatever pieces they come."""
    bodies = [b"\r\n\r\n0" * number for number in range(200)]
    heads = [b"POST /it HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) for body in bodies]
    sent = b"".join(head + body for head, body in zip(heads, bodies, strict=True)) + corpus.CLOSE
    async with listening(echo) as (port, _):
        for size in (len(sent), 700, 4096):
            parts = [sent[begin : begin + size] for begin in range(0, len(sent), size)]
            expected = (*(b"POST /it " + body for body in bodies), corpus.END)
            assert await seen(port, parts) == ((200,) * 201, expected)


async def test_a_large_body_behind_another_request_waits_to_be_read() -> None:
    """Beyond 64 KiB of it nothing more is read until somebody asks for it."""
    may_read, began = asyncio.Event(), asyncio.Event()

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/late":
            began.set()
            await may_read.wait()
        await PlainTextResponse(str(len(await Request(scope, receive).body())))(scope, receive, send)

    post = b"POST /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n"
    async with listening(count) as (port, listener):
        said = asyncio.create_task(said_to(port, [TINY + post + b"x" * 100_000]))
        await began.wait()
        (connection,) = listener.server_state.connections
        assert isinstance(connection, Connection)
        await until(lambda: connection.flow.read_paused and not connection.flow.is_held)
        said.cancel()
        may_read.set()


async def test_what_is_behind_an_answer_is_left_where_its_client_has_gone() -> None:
    """The connection ends in the very step in which the answer does."""
    asked_for: list[str] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asked_for.append(scope["path"])
        await PlainTextResponse(b"ok")(scope, receive, send)
        scope["state"]["handrail.connection"].transport.abort()

    async with listening(answer) as (port, _):
        await said_to(port, [TINY + corpus.SMUGGLED])
    assert asked_for == ["/"]


def answers(status: int, *headers: tuple[bytes, bytes], body: bytes = b"hello") -> ASGIApp:
    """As a handler that passes on what another server said."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": status, "headers": list(headers)}
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return app


async def answered(app: ASGIApp, version: bytes = b"1.1") -> list[Answer]:
    """To a request for it, and to one behind it that ends the connection."""
    async with asked(app) as (_, client):
        await client.send(b"GET /it HTTP/%b\r\nHost: x\r\n\r\n" % version)
        await client.send(PING.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        return taken_apart(await client.rest())


async def test_white_space_around_a_value_is_no_part_of_it() -> None:
    """RFC 9110, 5.5."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(dict(scope["headers"])[b"x-session"].decode())(scope, receive, send)

    async with asked(app) as (_, client):
        await client.send(b"GET /it HTTP/1.1\r\nHost: x\r\nX-Session: \t an id\t \r\n\r\n")
        assert (await client.answer())[2] == b"an id"


LENGTH = (b"content-length", b"5")
CHUNKED = (b"Transfer-Encoding", b"chunked")


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("headers", [[CHUNKED], [LENGTH], [CHUNKED, LENGTH], []])
async def test_what_has_no_body_announces_none(status: int, headers: list[tuple[bytes, bytes]]) -> None:
    """A client would take the next answer for it."""
    first, second = await answered(answers(status, *headers))
    assert (first.status, second.body) == (status, b"pong")
    assert not {"content-length", "transfer-encoding"} & first.headers.keys()


@pytest.mark.parametrize(
    "headers",
    [
        [LENGTH, CHUNKED],
        [CHUNKED, LENGTH],
        [LENGTH, LENGTH],
        [(b"transfer-encoding", b"gzip, chunked"), CHUNKED],
        [CHUNKED, CHUNKED],
        [(b"Content-Length", b"5"), (b"content-length", b"5")],
    ],
)
async def test_an_answer_is_framed_once(headers: list[tuple[bytes, bytes]]) -> None:
    """Whatever a handler has copied from another server's."""
    first, second = await answered(answers(200, *headers))
    assert (first.status, first.body, second.body) == (200, b"hello", b"pong")
    assert ("content-length" in first.headers) != ("transfer-encoding" in first.headers)


@pytest.mark.parametrize(
    "header",
    [
        (b"content-length", b"five"),
        (b"content-length", b"-5"),
        (b"content-length", b""),
        (b"", b"x"),
        (b"a b", b"x"),
        (b"a\r\nb", b"x"),
    ],
)
@pytest.mark.parametrize("others", [[LENGTH], [LENGTH, CHUNKED]])
async def test_an_answer_that_is_not_well_formed_is_500(
    header: tuple[bytes, bytes], others: list[tuple[bytes, bytes]]
) -> None:
    """And says so to the client, in the envelope; the connection goes on."""
    first, second = await answered(answers(200, *others, header))
    assert (first.status, second.body) == (500, b"pong")
    alone, _ = await answered(answers(200, header, body=b"x"))
    assert alone.status == 500


@pytest.mark.parametrize("app", [answers(200, (b"date", b"mine")), answers(200, LENGTH, (b"Date", b"mine"))])
async def test_an_answer_has_one_date(app: ASGIApp) -> None:
    """The handler's, where it has one."""
    async with asked(app) as (_, client):
        await client.send(b"GET /it HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, _ = (await client.rest()).lower().partition(b"\r\n\r\n")
    assert head.count(b"\r\ndate: ") == head.count(b"\r\ndate: mine") == 1


async def test_an_answer_with_two_lengths_is_500() -> None:
    """Nobody could tell which of them is right."""
    first, second = await answered(answers(200, LENGTH, (b"Content-Length", b"6")))
    assert (first.status, second.body) == (500, b"pong")


async def streams(scope: Scope, receive: Receive, send: Send) -> None:
    await Request(scope, receive).body()

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"he", b"", b"llo"):
            yield piece

    await StreamingResponse(pieces())(scope, receive, send)


@pytest.mark.parametrize("app", [streams, answers(200, CHUNKED), answers(200), answers(200, LENGTH)])
async def test_http_1_0_has_no_chunks(app: ASGIApp) -> None:
    """The end of the connection is the end of the body."""
    (answer,) = await answered(app, b"1.0")
    assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"hello", "close")
    assert "transfer-encoding" not in answer.headers


async def test_http_1_0_without_a_body_has_none() -> None:
    (answer,) = await answered(answers(204), b"1.0")
    assert (answer.status, answer.body) == (204, b"")


async def test_a_stop_answers_what_is_held() -> None:
    """It was read from the socket, and waits behind another."""
    async with asked(echo, Timeouts(check_ticks=1)) as (run, client):
        await client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" + PING)
        await until(lambda: run.asked)
        run.connection.shutdown()
        run.may_answer.set()
        assert (await client.answer())[2] == b"waited"
        assert (await client.answer())[2] == b"pong"


@pytest.mark.parametrize("piece", [b"\\", rb"\1", rb"\""])
def test_cookies_that_are_let_through_are_parsed_in_time(piece: bytes) -> None:
    """By the parser that FastAPI uses for every request: from each escape on, it looks for two kinds of them."""
    longest = cookie = b'a=""'
    while _is_let_through(cookie):
        longest, cookie = cookie, cookie[:-1] + piece * 100 + b'"'
    assert len(longest) < 20_000
    began = time.thread_time()
    assert cookie_parser(longest.decode())["a"]
    assert time.thread_time() - began < 0.5


def _is_let_through(cookie: bytes) -> bool:
    headers = [(b"host", b"x"), (b"cookie", cookie)]
    return fault_of_head("1.1", headers, dict(headers)) is None
