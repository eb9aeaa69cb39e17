"""WebSockets as strangers speak them: over real sockets, to a real listener in this process."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
import pytest
from handrail_container.http.inbox import MOST_WAITING
from handrail_container.server.protocols.websocket import SocketStage
from starlette.types import Receive, Scope, Send
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Opcode

from tests.socket_listener import HANDSHAKE, KEY, UPGRADE, VERSION, frame, listening, until

LARGE = b"x" * (1 << 20)


class App:
    """Accepts, then does as `then` does, and remembers what it heard."""

    def __init__(self, then: Callable[[App, Receive, Send], Awaitable[None]]) -> None:
        self.heard: list[Any] = []
        self.may_go_on = asyncio.Event()
        self.scope: Scope = {}
        self._then = then

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await self._then(self, receive, send)


async def echo(app: App, receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        app.heard.append(message)
        await send({**message, "type": "websocket.send"})
    app.heard.append(message)


async def busy(app: App, receive: Receive, send: Send) -> None:
    """Takes nothing before it may go on."""
    await app.may_go_on.wait()
    await echo(app, receive, send)


async def flood(app: App, receive: Receive, send: Send) -> None:
    """Sends without ever waiting for anything else."""
    try:
        while True:
            await send({"type": "websocket.send", "bytes": b"f" * 1000})
    except OSError as error:
        app.heard.append(error)


async def test_messages_go_both_ways() -> None:
    """Of a client that would compress: it is not asked to. Large, small, fragmented; then both say that it is over."""
    app = App(echo)
    async with listening(app) as run, run.client(max_size=None) as client:
        assert client.response is not None
        assert "sec-websocket-extensions" not in client.response.headers
        for said in ("a", "ü" * 100_000, b"\0\xff", b"", LARGE):
            await client.send(said)
            assert await client.recv() == said
        await client.send(["one ", "", "two"])
        assert await client.recv() == "one two"
        await client.close(4000, "enough")
        assert client.close_code == 4000
        await until(lambda: not run.connections)
    assert app.heard[-1] == {"type": "websocket.disconnect", "code": 4000, "reason": "enough"}


async def test_what_the_application_is_told() -> None:
    app = App(echo)
    async with listening(app) as run:
        target = b"GET /a%20b/c?d=e HTTP/1.1\r\n"
        more = b"Sec-WebSocket-Protocol: one, two\r\nX-Latin: \xe9\r\n\r\n"
        async with run.raw(target + UPGRADE + VERSION + KEY + more) as raw:
            assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in await raw.head()
            port = raw.writer.get_extra_info("sockname")[1]
    wanted = {"type": "websocket", "path": "/a b/c", "raw_path": b"/a%20b/c", "query_string": b"d=e"}
    wanted |= {"subprotocols": ["one", "two"], "client": ("127.0.0.1", port), "scheme": "ws"}
    assert {name: app.scope[name] for name in wanted} == wanted
    assert (b"x-latin", b"\xe9") in app.scope["headers"]


@pytest.mark.parametrize(
    ("head", "status", "words"),
    [
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + KEY, 426, "Sec-WebSocket-Version 13"),
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + KEY + VERSION.replace(b"13", b"8"), 426, "Sec-WebSocket-Version 13"),
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + VERSION, 400, "Sec-WebSocket-Key"),
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + VERSION + KEY + KEY, 400, "Sec-WebSocket-Key"),
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + VERSION + b"Sec-WebSocket-Key: YQ==\r\n", 400, "Sec-WebSocket-Key"),
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + VERSION + b"Sec-WebSocket-Key: ?\r\n", 400, "Sec-WebSocket-Key"),
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + VERSION + KEY + b"Content-Length: 5\r\n", 400, ""),
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + VERSION + KEY + b"Transfer-Encoding: chunked\r\n", 400, ""),
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + VERSION + KEY + b"X: " + b"x" * 80_000 + b"\r\n", 431, "64 KiB"),
        (b"GET /ws HTTP/1.1\r\n" + UPGRADE + VERSION + KEY + b"X: x\r\n" * 300, 431, "200 headers"),
        (b"GET /" + b"w" * 20_000 + b" HTTP/1.1\r\n" + UPGRADE + VERSION + KEY, 414, "16 KiB"),
    ],
)
async def test_a_handshake_that_goes_wrong_is_answered_and_closed(head: bytes, status: int, words: str) -> None:
    """In our envelope, with an id; what is sent behind it changes nothing, and nothing of it is left."""
    async with listening(App(echo)) as run, run.raw(head + b"X-Request-Id: mine\r\n\r\n") as raw:
        answer = await raw.head()
        await raw.send(b"hello")
        error = json.loads(await raw.rest())["error"]
        run.let_pass(3)
        await until(lambda: not run.connections)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in answer
    assert (error["code"], words in error["message"]) == (status, True)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /ws HTTP/1.1\r\nAuthorization: Bearer " + b"x" * 20_000 + b"\r\n",
        b"GET /ws HTTP/1.1\r\n" + b"X: x\r\n" * 180,
        b"GET /" + b"w" * 12_000 + b" HTTP/1.1\r\n",
        b"GET /ws HTTP/1.1\r\nContent-Length: 0\r\n",
    ],
)
async def test_a_handshake_within_the_limits_of_a_request_is_one(head: bytes) -> None:
    """A large token, many headers, a long path."""
    async with listening(App(echo)) as run, run.raw(head + UPGRADE + VERSION + KEY + b"\r\n") as raw:
        assert (await raw.head()).startswith(b"HTTP/1.1 101 ")
        await raw.send(frame(Opcode.TEXT, b"a"))
        await raw.exactly(b"\x81\x01a")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(Opcode.BINARY, LARGE + b"x"), 1009),
        (frame(Opcode.BINARY, LARGE, fin=False) + frame(Opcode.CONT, b"x"), 1009),
        (frame(Opcode.TEXT, b"\xff"), 1007),
        (frame(Opcode.TEXT, b"\xff") + frame(Opcode.TEXT, b"a") + b"\xff\xff", 1007),
        (frame(Opcode.CONT, b"a"), 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x81\x01a", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (frame(Opcode.CLOSE, b"\x03"), 1002),
    ],
    ids=(
        "large",
        "large in pieces",
        "not text",
        "not text at first",
        "no beginning",
        "reserved",
        "unmasked",
        "opcode",
        "close",
    ),
)
async def test_who_breaks_the_rules_is_told_the_code_and_let_go(
    sent: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Too large, in one frame or several; not UTF-8; out of order; compressed; not masked. It is nobody's traceback."""
    app = App(echo)
    async with listening(app) as run, run.open() as raw:
        await raw.send(sent + b"\0" * 500_000)
        said = await raw.rest()
        run.let_pass(3)
        await until(lambda: not run.connections)
    assert (said[0], Close.parse(said[2:]).code) == (0x88, code)
    assert app.heard[-1]["code"] == code
    assert not caplog.records


async def test_a_message_that_is_too_large_is_told_the_setting() -> None:
    async with listening(App(echo), 1000) as run, run.client() as client:
        await client.send("x" * 1001)
        with pytest.raises(ConnectionClosed, match="HANDRAIL_MAX_BODY_MB"):
            await client.recv()


async def test_a_busy_handler_s_client_waits_and_loses_nothing() -> None:
    """However much it has sent: what is kept for the handler is bounded, the rest stays with the client."""
    app = App(busy)
    before = psutil.Process().memory_info().rss
    async with listening(app) as run, run.client(max_size=None) as client:

        async def send() -> None:
            for number in range(200):
                await client.send(b"%d" % number + LARGE[4:])

        sending = asyncio.create_task(send())
        await asyncio.sleep(0.5)
        assert not sending.done()
        assert psutil.Process().memory_info().rss - before < 60 << 20
        run.let_pass(300)  # nor is it cut: its pongs are behind what is not read
        app.may_go_on.set()
        for number in range(200):
            assert bytes(await client.recv())[:5].startswith(b"%d" % number)
        await sending


async def test_small_messages_are_bounded_in_number() -> None:
    """They take far more memory than bytes on the wire."""
    app = App(busy)
    async with listening(app) as run, run.open() as raw:
        await raw.send(frame(Opcode.TEXT, b"a") * 20_000)
        await until(lambda: run.protocol._inbox.is_full)
        await asyncio.sleep(0.1)
        assert len(run.protocol._inbox._messages) < MOST_WAITING + 16 * 1024 / 7
        app.may_go_on.set()
        await raw.exactly(b"\x81\x01a" * 20_000)


async def test_a_client_whose_messages_wait_is_not_cut(caplog: pytest.LogCaptureFixture) -> None:
    """Its handler is busy with the first for minutes; it answers each ping."""
    app = App(busy)
    async with listening(app) as run, run.client() as client:
        for said in ("one", "two", "three"):
            await client.send(said)
        for _ in range(30):
            run.let_pass(10)
            await asyncio.sleep(0.02)
        app.may_go_on.set()
        assert [await client.recv() for _ in range(3)] == ["one", "two", "three"]


async def test_a_client_that_does_not_answer_pings_is_cut() -> None:
    """After the interval and the time for a pong; one that sends all the while is not mute."""
    app = App(echo)
    async with listening(app) as run, run.open() as raw:
        for _ in range(10):
            await raw.send(frame(Opcode.TEXT, b"a"))
            while await raw.reader.readexactly(3) != b"\x81\x01a":
                await raw.reader.readexactly(3)  # the rest of a ping
            run.let_pass(15)
        run.let_pass(45)
        said = await raw.rest()
        run.let_pass(3)
        await until(lambda: not run.connections)
    assert said[-2 - 24 :].endswith(b"keepalive ping timeout")
    assert app.heard[-1]["code"] == 1011


async def test_a_flood_of_pings_that_reads_no_pong_is_bounded_and_cut() -> None:
    """No more is read while its pongs wait; then it is cut as a client of HTTP is."""
    async with listening(App(echo)) as run, run.open() as raw:
        raw.reads_no_more()
        pings = frame(Opcode.PING, b"p" * 125) * 2000
        before = psutil.Process().memory_info().rss
        sent = 0

        async def send() -> None:
            nonlocal sent
            while sent < 1 << 30:
                await raw.send(pings)
                sent += len(pings)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send(), 2)
        assert sent < 50 << 20
        assert psutil.Process().memory_info().rss - before < 60 << 20
        run.let_pass(59)
        assert run.connections
        run.let_pass(3)
        await until(lambda: not run.connections)


async def test_a_handler_s_send_waits_for_a_client_that_does_not_read() -> None:
    """Which is cut in the end; the handler hears of it, and others are served all the while."""
    app = App(flood)
    async with listening(app) as run, run.open() as raw:
        raw.reads_no_more()
        await until(lambda: run.protocol.transport.get_write_buffer_size() > 60_000)
        assert run.protocol.transport.get_write_buffer_size() < 70_000
        run.let_pass(63)
        await until(lambda: app.heard)
        assert isinstance(app.heard[0], OSError)


async def test_a_server_s_close_waits_for_the_client_s() -> None:
    """For ten seconds; what the client still sends is no message any more."""

    async def leaving(app: App, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4000, "reason": "done"})
        app.heard.append(await receive())
        app.heard.append(await receive())
        with pytest.raises(OSError, match="closed"):
            await send({"type": "websocket.send", "text": "late"})

    for answers in (True, False):
        app = App(leaving)
        async with listening(app) as run, run.open() as raw:
            await raw.send(frame(Opcode.TEXT, b"a") * 3)
            await raw.exactly(b"\x88\x06\x0f\xa0done")
            await raw.send(frame(Opcode.TEXT, b"b"))
            if answers:
                await raw.send(frame(Opcode.CLOSE, b"\x0f\xa0"))
            else:
                run.let_pass(9)
                assert run.connections
                run.let_pass(3)
            await until(lambda: not run.connections)
        assert [message["code"] for message in app.heard] == [4000, 4000]


@pytest.mark.parametrize("how", ["accept", "nothing", "raise", "cancel"])
async def test_an_application_that_ends_too_early(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """1011 once it has accepted, else 500; a bug of ours is in the log."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if how == "accept":
            await send({"type": "websocket.accept"})
        if how == "raise":
            raise ValueError("ours")
        if how == "cancel":
            raise asyncio.CancelledError

    async with listening(app) as run, run.raw(HANDSHAKE) as raw:
        head = await raw.head()
        said = await raw.rest()
    assert head.startswith(b"HTTP/1.1 101 " if how == "accept" else b"HTTP/1.1 500 ")
    assert (said == b"\x88\x02\x03\xf3") is (how == "accept")
    assert ("a bug in Handrail" in caplog.text) is (how == "raise")


async def test_an_application_s_own_refusal() -> None:
    """An HTTP answer in pieces; a close before it accepted is 403."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"4")]
        await send({"type": "websocket.http.response.start", "status": 418, "headers": headers})
        for piece, more in ((b"te", True), (b"ap", False)):
            await send({"type": "websocket.http.response.body", "body": piece, "more_body": more})

    async def closing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close"})

    for app, status, body in ((answering, b"418", b"teap"), (closing, b"403", b'"the WebSocket was not accepted"')):
        async with listening(app) as run, run.raw(HANDSHAKE) as raw:
            assert (await raw.head()).split()[1] == status
            assert body in await raw.rest()


@pytest.mark.parametrize("bad", [{"headers": [(b"x", b"a\r\nb: c")]}, {"subprotocol": "a\r\nb: c"}])
async def test_a_header_that_would_begin_another_is_not_sent(bad: dict[str, Any]) -> None:
    """One that a handler copied from a client."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept", **bad})

    async with listening(app) as run, run.raw(HANDSHAKE) as raw:
        head = await raw.head()
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"b: c" not in head


async def test_a_stop_closes_what_is_open_and_refuses_what_asks(caplog: pytest.LogCaptureFixture) -> None:
    """A client that reads nothing holds up nobody; handshakes that were refused neither."""
    caplog.set_level(logging.INFO, "handrail.access")
    waiting = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/ws":
            await App(echo)(scope, receive, send)
        else:
            await waiting.wait()

    asking = b"GET /asking HTTP/1.1\r\n" + UPGRADE + VERSION + KEY + b"X-Request-Id: mine\r\n\r\n"
    async with listening(app) as run, run.open() as opened, run.raw(asking) as raw, run.raw(HANDSHAKE[:60]):
        await until(lambda: len(run.connections) == 3)
        await until(lambda: any(getattr(one, "stage", None) is SocketStage.ASKED for one in run.connections))
        run.listener.should_exit = True
        assert (await raw.head()).startswith(b"HTTP/1.1 503 ")
        assert (await opened.rest()).endswith(b"\x03\xf4service restart")
        waiting.set()
    assert "refused 503 the server is stopping request_id=mine" in caplog.text


async def test_answers_that_are_not_read_bound_the_websocket_behind_them() -> None:
    """What was written before the upgrade counts: its handler's sends wait from the first."""
    app = App(flood)
    async with listening(app) as run, run.open():
        await until(lambda: run.protocol.stage is SocketStage.OPEN)
        protocol = run.protocol
        transport = protocol.transport
        protocol._writable.set()
        protocol.connection_made(_Full(transport))
        assert not protocol._writable.is_set()
        protocol.transport = transport
        protocol.resume_writing()


class _Full:
    """A transport that holds more than it should."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def get_write_buffer_limits(self) -> tuple[int, int]:
        low, high = self._transport.get_write_buffer_limits()
        return int(low), int(high)

    def get_write_buffer_size(self) -> int:
        return self.get_write_buffer_limits()[1] + 1


async def test_nothing_is_written_to_a_client_that_is_gone() -> None:
    """Which its application has not heard of yet."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        run.protocol.transport.abort()
        await send({"type": "websocket.close"})

    async with listening(app) as run, run.raw(HANDSHAKE) as raw:
        assert await raw.rest() == b""
        await until(lambda: not run.connections)


async def test_what_is_told_its_end_is_told_once() -> None:
    """Two faults of one connection: the client hears of the first."""
    async with listening(App(echo)) as run, run.client() as client:
        run.protocol._end(1011, "first")
        run.protocol._end(1011, "second")
        await client.wait_closed()
        assert (client.close_code, client.close_reason) == (1011, "first")
