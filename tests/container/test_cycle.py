"""An answer that is whole goes out in one step, the same to the byte as uvicorn writes it; nothing waits that a client
may wait for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from handrail_container.server.protocols.cycle import Cycle
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl

(Uvicorns,) = Cycle.__bases__

DATE = (b"date", b"Sat, 21 Nov 2026 00:00:00 GMT")
LENGTH = (b"content-length", b"2")
TEXT = (b"content-type", b"text/plain")


class Wire(asyncio.Transport):
    """What was given to the system, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


class Run:
    """A request of one kind of cycle, and how it went."""

    def __init__(self, kind: type[Any], method: str, *, is_kept: bool) -> None:
        self.wire = Wire()
        self.completed = 0
        self.cycle = kind(
            {"type": "http", "method": method, "http_version": "1.1"},
            self.wire,
            FlowControl(self.wire),
            logging.getLogger(__name__),
            logging.getLogger(__name__),
            False,
            [DATE],
            asyncio.Event(),
            False,
            is_kept,
            self._complete,
        )
        self.cycle.more_body = False  # the request has been read

    def _complete(self) -> None:
        self.completed += 1

    def outcome(self) -> tuple[bytes, bool, int, bool, bool]:
        cycle = self.cycle
        end = (self.wire.is_closed, self.completed, cycle.response_started, cycle.response_complete)
        return b"".join(self.wire.writes), *end


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes = b"ok", **more: bool) -> Message:
    return {"type": "http.response.body", "body": content, **more}


async def answered(kind: type[Any], messages: Sequence[Message], method: str = "POST", *, is_kept: bool = True) -> Run:
    run = Run(kind, method, is_kept=is_kept)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(dict(message))

    await run.cycle.run_asgi(app)
    return run


WHOLE = [start(LENGTH, TEXT), body()]


async def test_an_answer_that_is_whole_is_written_in_one_step() -> None:
    run = await answered(Cycle, WHOLE)
    assert run.wire.writes == [
        b"HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 00:00:00 GMT\r\n"
        b"content-length: 2\r\ncontent-type: text/plain\r\n\r\nok"
    ]


ANSWERS = {
    "whole": WHOLE,
    "names as they like": [start(LENGTH, (b"X-Request-Id", b"mine")), body()],
    "a percent sign in a name": [start(LENGTH, (b"a%b", b"c")), body()],
    "nothing in it": [start((b"content-length", b"0")), {"type": "http.response.body"}],
    "large": [start((b"content-length", b"70000")), body(b"x" * 70_000)],
    "in pieces of a length": [start(LENGTH), body(b"o", more_body=True), body(b"k")],
    "without a length": [start(TEXT), body()],
    "a length in capitals": [start((b"Content-Length", b"2")), body()],
    "a stream": [
        start(TEXT),
        body(b"a", more_body=True),
        body(b"", more_body=True),
        body(b"bc", more_body=True),
        body(),
    ],
    "no content": [start(status=204), body(b"")],
    "the last one": [start(LENGTH, (b"connection", b"close")), body()],
    "framed by itself": [start(LENGTH, (b"transfer-encoding", b"chunked")), body()],
    "a stream framed by itself": [start((b"transfer-encoding", b"chunked")), body(more_body=True), body(b"")],
    "longer than it said": [start(LENGTH), body(b"okay")],
    "shorter than it said": [start(LENGTH), body(b"o")],
    "no length at all": [start((b"content-length", b"two")), body()],
    "a name that is none": [start(LENGTH, (b"a b", b"c")), body()],
    "a body that is no bytes": [start(LENGTH), {"type": "http.response.body", "body": "ok"}],
    "a piece that is no bytes": [start(TEXT), {"type": "http.response.body", "body": "ok", "more_body": True}],
    "two lengths": [start((b"content-length", b"3"), LENGTH), body()],
    "a line break in a header": [start(LENGTH, (b"a", b"b\r\nc: d")), body()],
    "two heads": [start(LENGTH), start(LENGTH)],
    "a body first": [body()],
    "a piece after the end": [*WHOLE, body(b"more", more_body=True)],
    "a piece of a stream after its end": [start(TEXT), body(), body(b"more", more_body=True)],
    "nothing": [],
}


@pytest.mark.parametrize("method", ["POST", "HEAD"])
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "closing"])
@pytest.mark.parametrize("messages", ANSWERS.values(), ids=ANSWERS)
async def test_every_answer_is_as_uvicorn_writes_it(messages: list[Message], method: str, is_kept: bool) -> None:
    ours = await answered(Cycle, messages, method, is_kept=is_kept)
    assert ours.outcome() == (await answered(Uvicorns, messages, method, is_kept=is_kept)).outcome()


async def test_a_stream_s_head_and_pieces_do_not_wait() -> None:
    run = Run(Cycle, "POST", is_kept=True)
    await run.cycle.send(start(TEXT))
    await run.cycle.send(body(b"a", more_body=True))
    assert [write[:12] for write in run.wire.writes] == [b"HTTP/1.1 200", b"1\r\na\r\n"]


async def test_a_head_whose_body_never_comes_goes_out_and_its_connection_ends() -> None:
    run = await answered(Cycle, [start(LENGTH)])
    assert (run.wire.writes[0][:12], run.wire.is_closed) == (b"HTTP/1.1 200", True)


async def test_a_client_that_does_not_read_is_waited_for() -> None:
    run = Run(Cycle, "POST", is_kept=True)
    await run.cycle.send(start(LENGTH))
    run.cycle.flow.pause_writing()
    sending = asyncio.ensure_future(run.cycle.send(body()))
    await asyncio.sleep(0)
    assert not run.wire.writes
    run.cycle.flow.resume_writing()
    await sending
    assert (run.completed, b"".join(run.wire.writes)[-6:]) == (1, b"\r\n\r\nok")


@pytest.mark.parametrize("messages", [WHOLE, ANSWERS["a stream"]], ids=["whole", "stream"])
async def test_nothing_is_written_for_a_client_that_has_left(messages: list[Message]) -> None:
    run = Run(Cycle, "POST", is_kept=True)
    run.cycle.disconnected = True
    for message in messages:
        await run.cycle.send(dict(message))
    assert not run.wire.writes
