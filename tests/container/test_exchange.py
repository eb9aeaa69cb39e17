from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest
from handrail.core.presence import ClientLeft
from handrail_container.gate.exchange import Exchange
from handrail_container.gate.gate import InFlight
from handrail_container.gate.sockets import Socket
from handrail_container.http.answer import Answer, answering
from handrail_container.http.envelope import LEFT, Failure
from handrail_container.http.explain import explain_definition, explain_ours
from handrail_container.settings.fields import Settings
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from starlette.types import Message, Scope


async def nobody(*_: Any) -> Any:
    """Neither sends nor receives."""


def start(length: bytes) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}


def body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def test_the_first_verdict_counts() -> None:
    """Who ends it again is too late, and the task and what works for it are cancelled once."""
    exchange = Exchange({"type": "http", "path": "/", "headers": []}, nobody)
    call: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    exchange.calls.add(call)
    exchange.end(LEFT)
    assert call.cancelled()
    exchange.end(Failure(504, "too late"))
    assert exchange.verdict is LEFT
    assert exchange.task.cancelling() == 1
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    exchange.task.uncancel()


def test_what_is_no_stage_of_a_definition_is_explained_as_ours_is() -> None:
    """What the request's own reading raises, say."""
    assert explain_definition(Settings())(HTTPException(418, "a teapot"), "id")[:2] == (418, "a teapot")


@pytest.mark.parametrize("status", [403, 500])
async def test_a_handler_may_refuse_a_handshake_itself(status: int) -> None:
    """Its status is the end of the connection, in the log as well."""
    socket = Socket({"type": "websocket", "path": "/", "headers": []}, nobody, nobody)
    await socket.send({"type": "websocket.http.response.start", "status": status, "headers": []})
    assert socket.code == status


@pytest.mark.parametrize("ends", [True, False])
async def test_what_ends_with_its_client_ends_at_once(ends: bool) -> None:
    """Whatever the setting for handlers is: it has none."""
    began, exchanges = asyncio.Event(), list[Exchange]()

    async def work() -> None:
        exchanges.append(Exchange({"type": "http", "path": "/", "headers": []}, nobody, is_cancelled_by_leaving=False))
        exchanges[0].ends_with_client = ends
        began.set()
        await asyncio.sleep(60)

    working, call = asyncio.create_task(work()), asyncio.create_task(asyncio.sleep(60))
    await began.wait()
    exchanges[0].calls.add(call)
    exchanges[0].leave()
    done, _ = await asyncio.wait({working}, timeout=0.05)
    assert (bool(done), exchanges[0].verdict is LEFT) == (ends, ends)
    assert (call.cancelled(), call.cancelling()) == (True, 1)
    working.cancel()


def test_requests_of_earlier_programs_are_counted_however_many_there_were() -> None:
    """A WebSocket that stays open through thousands of reloads."""
    requests = first = InFlight()
    first.count = 1
    for _ in range(5_000):
        requests = InFlight(requests)
    requests.count = 2
    assert requests.total == 3
    first.count = 0
    assert InFlight(requests).total == 2


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([start(b"5"), body(b"whole!")], "Content-Length says 5, and the body has 6 bytes"),
        ([start(b"5"), body(b"who")], "Content-Length says 5, and the body has 3 bytes"),
        ([start(b"5"), body(b"wh", more=True), body(b"ol")], "Content-Length says 5, and the body has 4 bytes"),
        ([start(b"five")], "is 'five': it is a number"),
        ([start(b"5"), start(b"5")], "sent twice"),
        ([body(b"whole")], "the first message of an answer is 'http.response.start'"),
        ([start(b"5"), body(b"whole"), body(b"more")], "sent after the end"),
    ],
)
async def test_what_is_no_answer_is_refused_where_it_is_sent(messages: list[Message], words: str) -> None:
    """Before any of it is written, and in words that say what is wrong."""
    answer = Answer(nobody, "id")
    for message in messages[:-1]:
        await answer.send(message)
    with pytest.raises((ValueError, RuntimeError), match=words):
        await answer.send(messages[-1])
    assert answer.refusal is None


async def test_an_answer_to_head_announces_what_it_does_not_send() -> None:
    answer = Answer(nobody, "id", is_head=True)
    await answer.send(start(b"5"))
    await answer.send(body(b""))
    assert answer.is_complete


async def test_a_handler_that_goes_on_without_its_client_sends_to_nobody() -> None:
    """HANDRAIL_CANCEL_ON_DISCONNECT=false; with true, as ASGI has it, its `send` raises OSError."""
    for cancels in (False, True):
        scope: Scope = {"type": "http", "path": "/", "headers": []}
        exchange = Exchange(scope, nobody, is_cancelled_by_leaving=cancels)
        await exchange.send(start(b"5"))
        exchange.leave()
        with pytest.raises(OSError, match="the client has left") if cancels else nullcontext():
            await exchange.send(body(b"whole"))


class Both(Exception):
    """What a handler makes of an error."""


@pytest.mark.parametrize("does", ["hides", "renames"])
async def test_what_a_middleware_s_send_raised_comes_to_it_whatever_the_handler_does(does: str) -> None:
    """The handler may swallow it, or raise its own."""

    async def failing(message: Message) -> None:
        raise KeyError("tenant")

    async def handler(scope: Scope, receive: Any, send: Any) -> None:
        try:
            await send(start(b"5"))
        except KeyError:
            if does == "renames":
                raise Both from None

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    Exchange(scope, nobody)
    with pytest.raises(KeyError, match="tenant"):
        await answering(handler, explain_ours)(scope, nobody, failing)


async def test_starlette_s_word_for_a_middleware_s_os_error_is_the_middleware_s() -> None:
    error = OSError("the disk is full")

    async def failing(message: Message) -> None:
        raise error

    async def pieces() -> AsyncIterator[str]:
        yield "x"

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"spec_version": "2.4"}}
    Exchange(scope, nobody)
    with pytest.raises(OSError, match="the disk is full"):
        await answering(StreamingResponse(pieces()), explain_ours)(scope, nobody, failing)


async def test_an_error_s_own_headers_that_a_middleware_refuses_are_the_middleware_s() -> None:
    """ValueError is what unsendable headers are as well."""

    async def failing(message: Message) -> None:
        raise ValueError("no such tenant")

    async def handler(scope: Scope, receive: Any, send: Any) -> None:
        raise LookupError("first")

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    Exchange(scope, nobody)
    with pytest.raises(ValueError, match="no such tenant"):
        await answering(handler, explain_ours)(scope, nobody, failing)


async def test_a_whole_answer_of_our_own_code_is_noted_as_any_other_is() -> None:
    """Whoever sends a second one is told, as is a handler whose client has left, and who may have refused it."""
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    exchange = Exchange({"type": "http", "path": "/", "headers": []}, keep)
    await exchange.handrail_whole(start(b"2"), body(b"{}"))
    assert (exchange.status, exchange.bytes_out, exchange.is_complete) == (200, 2, True)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (b"x-request-id", exchange.request_id.encode()) in sent[0]["headers"]
    with pytest.raises(RuntimeError, match="sent twice"):
        await exchange.handrail_whole(start(b"2"), body(b"{}"))
    left = Exchange({"type": "http", "path": "/", "headers": []}, keep)
    left.leave()
    with pytest.raises(ClientLeft):
        await left.handrail_whole(start(b"2"), body(b"{}"))


async def test_what_refuses_a_whole_answer_is_noted() -> None:
    async def refuse(message: Message) -> None:
        raise RuntimeError(message["type"])

    exchange = Exchange({"type": "http", "path": "/", "headers": []}, refuse)
    with pytest.raises(RuntimeError) as refusal:
        await exchange.handrail_whole(start(b"2"), body(b"{}"))
    assert exchange.refusal is refusal.value


@pytest.mark.parametrize("awaits", [True, False])
async def test_a_stream_gives_the_loop_a_turn_where_it_has_not_had_one(awaits: bool) -> None:
    """Pieces that come slowly, of a generator that awaits or of one that blocks."""
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(count)

    loop = asyncio.get_running_loop()
    exchange = Exchange({"type": "http", "path": "/", "headers": []}, nobody)
    await exchange.send({"type": "http.response.start", "status": 200, "headers": []})
    await exchange.send(body(b"piece", more=True))
    loop.call_soon(count)
    for _ in range(20):
        await asyncio.sleep(0.002) if awaits else time.sleep(0.002)
        before = turns
        await exchange.send(body(b"piece", more=True))
        assert turns - before == (0 if awaits else 1)
