"""Comments in silent streams of server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from handrail_container.routes.keep_alive import keeping_alive
from starlette.responses import JSONResponse, StreamingResponse
from starlette.types import ASGIApp, Message

from tests.conftest import Launch
from tests.container.test_leaving import SLOW, leaves, running
from tests.servers import SCRIPTS, eventually

COMMENT = b": keep-alive\n\n"
SILENCE_S = 0.01


class Sent:
    """What an application sent through the keeper; `is_quiet` is set by the test to let it go on."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.commented = asyncio.Event()
        self.error: Exception | None = None

    async def send(self, message: Message) -> None:
        if self.error is not None:
            raise self.error
        if message["type"] == "http.response.body":
            self.bodies.append(message["body"])
            if message["body"] == COMMENT:
                self.commented.set()


async def ask(app: ASGIApp, sent: Sent, silence_s: float = SILENCE_S) -> None:
    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "asgi": {"spec_version": "2.4"}}
    await keeping_alive(app, silence_s)(scope, receive, sent.send)


def streaming(pieces: AsyncIterator[str], media_type: str = "text/event-stream") -> StreamingResponse:
    return StreamingResponse(pieces, media_type=media_type)


async def test_a_silent_stream_has_comments_between_its_events() -> None:
    """Before the first of them too."""
    sent = Sent()

    async def pieces() -> AsyncIterator[str]:
        for text in ("data: a\n\n", "data: b\n\n"):
            await sent.commented.wait()
            sent.commented.clear()
            yield text

    await ask(streaming(pieces()), sent)
    assert [body for body in sent.bodies if body != COMMENT] == [b"data: a\n\n", b"data: b\n\n", b""]
    assert sent.bodies[0] == COMMENT
    assert COMMENT in sent.bodies[sent.bodies.index(b"data: a\n\n") : sent.bodies.index(b"data: b\n\n")]
    assert sent.bodies[-1] == b""


async def test_no_comment_comes_within_an_event() -> None:
    """Its pieces may end anywhere."""
    sent = Sent()

    async def pieces() -> AsyncIterator[str]:
        yield "data: a"
        yield ""
        await asyncio.sleep(20 * SILENCE_S)
        yield "b\n\n"
        await sent.commented.wait()

    await ask(streaming(pieces()), sent)
    assert sent.bodies[:4] == [b"data: a", b"", b"b\n\n", COMMENT]


async def test_a_lively_stream_has_none() -> None:
    sent = Sent()

    async def pieces() -> AsyncIterator[str]:
        for _ in range(5):
            yield "data: a\n\n"
            await asyncio.sleep(0)

    await ask(streaming(pieces()), sent, silence_s=60)
    assert COMMENT not in sent.bodies


async def test_the_silence_begins_anew_with_each_piece() -> None:
    """At most one comment for each whole time of silence."""
    sent, silence_s, began = Sent(), 0.2, time.monotonic()

    async def pieces() -> AsyncIterator[str]:
        for _ in range(4):
            await asyncio.sleep(0.6 * silence_s)
            yield "data: a\n\n"
        await sent.commented.wait()

    await ask(streaming(pieces()), sent, silence_s)
    assert sent.bodies.count(b"data: a\n\n") == 4
    assert sent.bodies.count(COMMENT) * silence_s <= time.monotonic() - began


@pytest.mark.parametrize("response", ["text", "error", "json"])
async def test_other_answers_have_none(response: str) -> None:
    """Nor has an error, which is no stream."""
    sent = Sent()

    async def pieces() -> AsyncIterator[str]:
        await asyncio.sleep(10 * SILENCE_S)
        yield "a"

    app: ASGIApp = streaming(pieces(), "text/plain") if response == "text" else JSONResponse({})
    if response == "error":
        app = StreamingResponse(pieces(), 500, media_type="text/event-stream")
    await ask(app, sent)
    assert COMMENT not in sent.bodies


async def test_an_application_that_fails_has_no_more() -> None:
    """Its error is the next that the client reads. A client that has left is the application's to notice."""
    sent = Sent()

    async def pieces() -> AsyncIterator[str]:
        await sent.commented.wait()
        sent.error = OSError("left")
        await asyncio.sleep(10 * SILENCE_S)
        raise ValueError("the handler's own")
        yield ""

    with pytest.raises(ValueError, match="own"):
        await ask(streaming(pieces()), sent)
    count = len(sent.bodies)
    await asyncio.sleep(5 * SILENCE_S)
    assert len(sent.bodies) == count


def test_a_server_that_is_told_to(launch: Launch, tmp_path: Path) -> None:
    """On the engine's routes, and in translated streams of events."""
    served = launch(tmp_path, HANDRAIL_ECHO_ITL_MS="300", HANDRAIL_SSE_KEEP_ALIVE_S="0.1").ready()
    for path, body in (
        ("/v1/completions", {"prompt": "one two", "stream": True}),
        ("/invocations", {"messages": [{"role": "user", "content": "one two"}], "stream": True}),
        ("/generate_stream", {"inputs": "one two"}),
    ):
        text = served.http.post(path, json=body).text
        assert text.index("one") < text.index(COMMENT.decode()) < text.index(" two"), path
    plain = served.http.post("/invocations", json={"inputs": "one two", "stream": True})
    assert ": keep-alive" not in plain.text


def test_a_client_that_leaves_a_silent_stream_ends_its_request(launch: Launch) -> None:
    """Whoever notices first."""
    given = {"CUSTOM_SCRIPT_FILENAME": "tells_what_runs.py", "HANDRAIL_SSE_KEEP_ALIVE_S": "0.1", **SLOW}
    served = launch(SCRIPTS, **given).ready()
    for path, body in (
        ("/generate_stream", {"inputs": "one two"}),
        ("/v1/completions", {"prompt": "one two", "stream": True}),
    ):
        leaves(served, path, body, b"keep-alive")
        eventually(lambda: not running(served), "the engine to stop", 30)


def test_the_setting_is_a_time(launch: Launch) -> None:
    served = launch(SCRIPTS, HANDRAIL_SSE_KEEP_ALIVE_S="0")
    assert served.process.wait(60) == 2
    assert "HANDRAIL_SSE_KEEP_ALIVE_S" in served.stderr
