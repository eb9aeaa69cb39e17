"""What goes over the wire where a client, or a handler's answer, is not as most are."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from typing import Any

import pytest
from handrail_container.gate.exchange import Exchange
from handrail_container.http.answer import answering
from handrail_container.http.explain import explain_ours
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from tests.conftest import Launch
from tests.container.test_protocol import PING, SHORT, Client, Running, asked, until

CHUNKED = b"POST /it HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
LENGTH = {"content-length": "5"}
SEEN: ContextVar[str] = ContextVar("SEEN", default="nothing")


def start(status: int = 200, **headers: str) -> Message:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": named}


def body(data: bytes = b"whole", **more: Any) -> Message:
    return {"type": "http.response.body", "body": data, **more}


async def read(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the names of the headers, once the body is there."""
    request = Request(scope, receive)
    await request.body()
    await PlainTextResponse(" ".join(request.headers))(scope, receive, send)


async def hold(scope: Scope, receive: Receive, send: Send) -> None:
    """Never answers."""
    if b"reads" in dict(scope["headers"]):
        await Request(scope, receive).body()
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("trailers", "words"),
    [
        (b"x: " + b"y" * 200_000, b"64 KiB"),
        ((b"x: " + b"y" * 990 + b"\r\n") * 200, b"64 KiB"),
        (b"x: y\r\n" * 300, b"200 headers"),
    ],
)
async def test_what_follows_a_body_has_the_limits_of_a_head(trailers: bytes, words: bytes) -> None:
    """A client could fill the memory with it."""
    async with asked(read) as (_, client):
        await client.send(CHUNKED + b"0\r\n")
        for begin in range(0, len(trailers), 20_000):
            await client.send(trailers[begin : begin + 20_000])
            await asyncio.sleep(0)
        status, _, said = await client.answer()
        assert status == 431
        assert words in said


@pytest.mark.parametrize("chunks", [b"0\r\n", b"2\r\n{}\r\n0\r\n"], ids=["empty", "with_body"])
@pytest.mark.parametrize(
    ("trailers", "words"),
    [(b"x: " + b"y" * 120_000 + b"\r\n\r\n", b"64 KiB"), (b"x: y\r\n" * 300 + b"\r\n", b"200 headers")],
)
async def test_trailers_that_end_in_the_read_in_which_they_begin_are_limited(
    chunks: bytes, trailers: bytes, words: bytes
) -> None:
    """The request is complete once the read is parsed."""
    async with asked(read) as (run, client):
        await until(lambda: run.listener.server_state.connections)
        run.connection.data_received(CHUNKED.removesuffix(b"2\r\n{}\r\n") + chunks + trailers)
        status, _, said = await client.answer()
        assert status == 431
        assert words in said
        assert not run.gate.requests.total


async def test_what_follows_a_body_is_limited_though_its_request_is_answered() -> None:
    async with asked(read) as (run, client):
        await client.send(CHUNKED.replace(b"/it", b"/ping") + b"0\r\n")
        assert (await client.answer())[2] == b"pong"
        await until(lambda: _flooded(run, client))


def _flooded(run: Running, client: Client) -> bool:
    client.writer.write(b"x: " + b"y" * 990 + b"\r\n")
    return not run.listener.server_state.connections


async def test_what_follows_a_body_is_no_header() -> None:
    """A proxy in front that takes some headers away has not seen it."""
    async with asked(read) as (_, client):
        for _ in range(2):
            await client.send(CHUNKED + b"0\r\nAuthorization: Bearer smuggled\r\n\r\n")
            assert (await client.answer())[2] == b"host transfer-encoding"


async def test_a_request_that_waited_behind_another_has_its_own_context() -> None:
    """What the first set, a LoRA adapter's name say, is not for the second."""

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        before = SEEN.get()
        SEEN.set("the first's")
        await asyncio.sleep(0)
        await PlainTextResponse(before)(scope, receive, send)

    async with asked(note) as (_, client):
        await client.send(b"GET /it HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        assert [(await client.answer())[2] for _ in range(3)] == [b"nothing"] * 3


@pytest.mark.parametrize(
    ("header", "size"), [(b"Reads: yes", 60_000), (b"Reads: yes", 300_000), (b"Reads-Not: x", 150_000)]
)
async def test_a_client_that_leaves_is_noticed_however_large_its_body(size: int, header: bytes) -> None:
    """And whether or not somebody has read it: uvicorn stops reading beyond 64 KiB."""
    async with asked(hold, SHORT) as (run, client):
        head = b"POST /it HTTP/1.1\r\nHost: x\r\n%b\r\nContent-Length: %d\r\n\r\n" % (header, size)
        await client.send(head + b"b" * size)
        await until(lambda: run.gate.requests.total)
        await asyncio.sleep(0.1)
        client.writer.transport.abort()
        began = time.monotonic()
        await until(lambda: not run.gate.requests.total)
        assert time.monotonic() - began < 3


async def test_a_message_that_is_sent_twice_has_each_request_s_id() -> None:
    """It is its sender's: a constant, say."""
    constant = start(content_length="5")

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send(constant)
        await send(body())

    async with asked(answer) as (_, client):
        for name in (b"first", b"second"):
            await client.send(b"GET /it HTTP/1.1\r\nHost: x\r\nX-Request-Id: %b\r\n\r\n" % name)
            assert (await client.answer())[1]["x-request-id"] == name.decode()


async def test_one_message_may_become_the_next() -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        message = start(content_length="5")
        await send(message)
        message.clear()
        message.update(body())
        await send(message)

    async with asked(answer) as (_, client):
        await client.send(b"GET /it HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer())[2] == b"whole"


async def test_an_error_after_a_head_that_was_not_written_yet_is_500() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(content_length="5"))
        raise LookupError("nothing there")

    async with asked(fail) as (_, client):
        for _ in range(2):
            await client.send(b"GET /it HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await client.answer())[0] == 500


@pytest.mark.parametrize(
    "response", [JSONResponse({"a": 1}, 204), Response(b"hello", 304), Response(None, 204, LENGTH)]
)
async def test_a_status_without_a_body_has_none(response: Response) -> None:
    """It would be read as the next answer."""
    async with asked(response) as (_, client):
        await client.send(b"GET /it HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] == b"%d" % response.status_code
        assert b"content-length" not in head
        await client.send(PING)
        assert (await client.answer())[2] == b"pong"


@pytest.mark.parametrize(("answer", "has_failed"), [([b"who"], True), ([b"wh", b"o"], True), ([b"whole"], False)])
async def test_an_answer_that_is_not_what_it_announced_has_failed(answer: list[bytes], has_failed: bool) -> None:
    """What a handler does after a good one does not count."""

    async def send_it(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(content_length="5"))
        for number, piece in enumerate(answer, 1):
            await send(body(piece, more_body=number < len(answer)))
        raise LookupError("in the background")

    over: list[bool] = []
    async with asked(send_it) as (run, client):
        run.gate.when_over = lambda exchange: over.append(exchange.has_failed)
        await client.send(b"GET /it HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: over)
    assert over == [has_failed]


async def test_a_stream_that_fails_behind_others_has_failed() -> None:
    """What stands around it sees the end of a stream; the log and the metrics do not."""

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(content_type="text/event-stream"))
        await send(body(b"data: 1\n\n", more_body=True))
        raise LookupError("out of luck")

    async def nothing(*_: Any) -> Any:
        """Neither sends nor receives."""

    scope: Scope = {"type": "http", "path": "/", "headers": []}
    exchange = Exchange(scope, nothing)
    await answering(fail, explain_ours)(scope, nothing, exchange.send)
    assert exchange.has_failed


@pytest.mark.parametrize("script", ["streams_slowly.py", "streams_whatever_it_is_told.py"])
def test_a_plain_stream_is_cut_when_its_time_is_over(serving: Launch, script: str) -> None:
    """Also where its handler does not heed that."""
    served = serving(script)
    began = time.monotonic()
    with (
        pytest.raises(Exception, match="peer closed connection"),
        served.http.stream("POST", "/invocations", json={}, headers={"X-Handrail-Timeout-S": "1"}) as answer,
    ):
        assert list(answer.iter_text()) == ["a"]
    assert time.monotonic() - began < 6


def test_a_handler_may_give_its_things_our_names(serving: Launch) -> None:
    """In `request.state`; its time is still limited, and its errors are its own."""
    served = serving("keeps_its_own.py", CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE="model:throttle")
    assert served.http.post("/invocations", json={}).json() == {"ok": True}
    failed = served.http.post("/invocations", json={"fail": True})
    assert (failed.status_code, "out of luck" in failed.text) == (500, True)
    late = served.http.post("/invocations", json={"seconds": 30}, headers={"X-Handrail-Timeout-S": "1"})
    assert late.status_code == 504
    assert served.http.post("/invocations", json={}).json() == {"ok": True}
