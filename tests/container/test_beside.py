"""Large bodies are worked on in a thread: what the event loop's own thread does not call while they are answered."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from handrail_container.engine.echo.client import EchoClient
from handrail_container.routes.beside import LARGE, beside, parsed
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from tests.container.test_chat_socket import chat_socket
from tests.toolkit.in_process import serving

ROUTES = "handrail_container/routes/"
BETWEEN = ("/json/", "starlette/requests.py")


@contextmanager
def on_the_loop() -> Iterator[list[str]]:
    """What routes call in this thread meanwhile: `decode` and `encode` of large JSON, and `read` of `inputs`."""
    called: list[str] = []

    def note(frame: FrameType, event: str, given: Any) -> None:
        name, caller = frame.f_code.co_name, frame.f_back
        if event == "call" and name == "decode":
            given = frame.f_locals.get("s")
        is_large = name in ("decode", "encode") and isinstance(given, str) and len(given) > LARGE
        while caller and any(part in caller.f_code.co_filename for part in BETWEEN):
            caller = caller.f_back
        if (is_large or (event, name) == ("call", "read")) and caller and ROUTES in caller.f_code.co_filename:
            called.append(name)

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


def keys(count: int = 10_000) -> dict[str, int | None]:
    return {f"k{number}": None for number in range(count)}


@pytest.mark.parametrize(
    ("path", "body", "accept", "status"),
    [
        ("/invocations", {"inputs": "one", "parameters": keys()}, "application/json", 200),
        ("/invocations", {"inputs": "one", **keys()}, "application/json", 400),
        ("/invocations", {"inputs": ["x" * 1000] * 100}, "application/json", 200),
        ("/invocations", {"prompt": "one", "vllm_xargs": keys()}, "text/event-stream", 200),
        ("/invocations", keys(), "application/json", 400),
        ("/predict", {"instances": [{"inputs": "one", "parameters": keys()}]}, "application/json", 200),
    ],
    ids=["parameters", "fields", "a large answer", "a stream", "no shape", "instances"],
)
async def test_nothing_reads_a_large_body_in_the_event_loop(
    path: str, body: Any, accept: str, status: int, tmp_path: Path
) -> None:
    content = json.dumps(body).encode()
    assert len(content) > LARGE
    headers = {"content-type": "application/json", "accept": accept}
    async with serving(tmp_path, AIP_PREDICT_ROUTE="/predict") as client:
        with on_the_loop() as called:
            got = await client.post(path, content=content, headers=headers)
    assert (got.status_code, called) == (status, [])


async def test_nothing_reads_a_large_message_in_the_event_loop() -> None:
    answered = asyncio.Event()
    message = {"type": "websocket.receive", "text": json.dumps({"prompt": "one", "a": keys()})}
    messages = iter([{"type": "websocket.connect"}, message])

    async def receive() -> Message:
        for one in messages:
            return one
        await answered.wait()
        return {"type": "websocket.disconnect"}

    async def send(message: Message) -> None:
        if message.get("text") == "[DONE]":
            answered.set()

    scope: Any = {"type": "websocket", "headers": [], "path": "/", "state": {"request_id": "mine"}}
    with on_the_loop() as called, suppress(WebSocketDisconnect):
        await chat_socket(EchoClient())(scope, receive, send)
    assert (answered.is_set(), called) == (True, [])


async def test_small_work_needs_no_thread() -> None:
    assert await beside(LARGE, threading.get_ident) == threading.get_ident()
    assert await beside(LARGE + 1, threading.get_ident) != threading.get_ident()


@pytest.mark.parametrize("body", [b"{", b"[" * LARGE + b"\xff"])
async def test_a_body_that_is_no_json_is_400(body: bytes) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    with pytest.raises(HTTPException, match="the body is not JSON: ") as refused:
        await parsed(Request({"type": "http", "method": "POST", "headers": []}, receive))
    assert refused.value.status_code == 400
