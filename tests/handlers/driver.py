"""Sends a request to an ASGI application as a server would, and an engine small enough to read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from handrail import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp, Message


class WordEngine(Engine):
    """A word is a token; its answers show what they were asked."""

    def __init__(self) -> None:
        self.was_asked: list[tuple[str, dict[str, Any], Request | None]] = []

    @property
    def raw(self) -> Any:
        return self

    async def generate(self, prompt: Any, sampling_params: Any = None) -> AsyncIterator[Any]:
        for word in prompt.split():
            yield word

    def tokenize(self, text: str) -> list[int]:
        return [len(word) for word in text.split()]

    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        self.was_asked.append((operation, body, request))
        return self._events(body["prompt"]) if body.get("stream") else {"text": body.get("prompt")}

    async def _events(self, prompt: str) -> AsyncIterator[bytes]:
        async for word in self.generate(prompt):
            yield f"data: {word}\n\n".encode()


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    is_complete: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    async def receive(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.chunks += [message["body"]] if message.get("body") else []
        self.is_complete = not message.get("more_body", False)


def scope(engine: Engine | None = None, headers: dict[str, str] | None = None, **changed: Any) -> dict[str, Any]:
    """The scope of a POST to /invocations, as uvicorn makes it, with the server's application in it."""
    app = Starlette()
    app.state.engine = engine or WordEngine()
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/invocations",
        "raw_path": b"/invocations",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), *raw],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8080),
        "state": {},
        "app": app,
        **changed,
    }


async def send(app: ASGIApp, body: Any = None, *, leave_after: int | None = None, **of_scope: Any) -> Answer:
    """The answer to `body`, as JSON unless it is bytes; the client leaves once it has `leave_after` chunks.

    Raises what the application raises.
    """
    answer, left = Answer(), asyncio.Event()
    messages = iter([{"type": "http.request", "body": body if isinstance(body, bytes) else json.dumps(body).encode()}])

    async def receive() -> Message:
        for message in messages:
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def take(message: Message) -> None:
        await answer.receive(message)
        if leave_after is not None and len(answer.chunks) >= leave_after:
            left.set()
            await asyncio.sleep(0)

    await app(scope(**of_scope), receive, take)
    return answer
