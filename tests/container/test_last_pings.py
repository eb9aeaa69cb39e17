from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from handrail_container.gate.last_pings import LastPings, PingAnswer, wire
from handrail_container.gate.lifecycle import Lifecycle, State
from starlette.responses import Response, StreamingResponse
from starlette.types import Message


def ready() -> Lifecycle:
    lifecycle = Lifecycle()
    for state in (State.LOADING, State.WARMING, State.READY):
        lifecycle.move(state, str(state))
    return lifecycle


def say(pings: LastPings, response: Response, method: str = "GET", path: str = "/ping") -> list[Message]:
    """What a client gets of `response`, noted on its way."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("it is never set")

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "asgi": {"spec_version": "2.4"}}
    asyncio.run(response(scope, receive, pings.recording(scope, send)))  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_last_answer_is_kept_whole(method: str) -> None:
    """Status, headers, and a body in however many pieces; each path has its own."""
    pings = LastPings(ready())
    say(pings, Response("first"), method)
    sent = say(pings, StreamingResponse(iter([b"a", b"b"]), 418, {"x-why": "because"}), method)
    assert len(sent) > 2
    said = pings.last("/ping")
    assert said is not None
    assert (said.status, dict(said.headers)[b"x-why"], said.body) == (418, b"because", b"ab")
    health = pings.last("/health")
    assert health is not None
    assert health.status == 200


def test_an_answer_to_head_is_not_kept() -> None:
    """It may be without the body that others want."""
    pings = LastPings(ready())
    say(pings, Response("no", 418), "HEAD")
    assert pings.last("/ping") is None


def test_an_answer_from_another_state_is_not_repeated() -> None:
    """What was said while loading is over, and so is what was said before the drain."""
    lifecycle = ready()
    pings = LastPings(lifecycle)
    say(pings, Response("fine"))
    fine = pings.last("/ping")
    assert fine is not None
    assert fine.body == b"fine"
    lifecycle.move(State.DRAINING, "the server is stopping")
    said = pings.last("/ping")
    assert said is not None
    assert (said.status, json.loads(said.body)["error"]["type"]) == (503, "draining")


def test_on_the_wire_the_connection_ends_with_the_answer() -> None:
    """With the length it has, and nothing of the connection it was said on."""
    headers = ((b"Connection", b"keep-alive"), (b"transfer-encoding", b"chunked"), (b"x", b"y"))
    head, _, body = wire(PingAnswer(200, headers, b"fine"), has_body=True).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 "
    assert lines[1] == b"x: y"
    assert lines[2].startswith(b"date: ")
    assert lines[3:] == [b"content-length: 4", b"connection: close"]
    assert body == b"fine"
    assert wire(PingAnswer(200, (), b"fine"), has_body=False).endswith(
        b"content-length: 4\r\nconnection: close\r\n\r\n"
    )
