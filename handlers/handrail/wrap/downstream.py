"""Runs the application inside a middleware up to its first chunk, and gives it to the middleware as a response.

The application runs in its own task. A stream that the middleware leaves alone goes from that task directly to the
connection, at no cost per chunk. A stream that the middleware iterates passes through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of a body that are replayed in one step of the event loop.
_PIECE = 65_536

CallNext = Callable[[Request], Awaitable[Response]]


class StreamCut(Exception):
    """A stream ended before its last chunk: the client must see that it is incomplete."""


class Downstream:
    """All runs of `app` that one request's middleware starts; leaving the context cancels the unfinished ones."""

    def __init__(self, app: ASGIApp, receive: Receive) -> None:
        self._app = app
        self._receive = receive
        self._runs: list[_Run] = []

    async def __aenter__(self) -> Downstream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        for run in self._runs:
            await run.end()

    async def call_next(self, request: Request) -> Response:
        """Run the application on `request`, which may have been changed. Raises its exceptions before its answer."""
        run = _Run(self._app, *forwarded(request, self._receive))
        self._runs.append(run)
        return await run.response()


class _Run:
    """One run of the application, paused at its first chunk until it is known where the chunks go."""

    def __init__(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        loop = asyncio.get_running_loop()
        self._head: asyncio.Future[NextResponse] = loop.create_future()
        self._sink: asyncio.Future[Send] = loop.create_future()
        self._start: Message = {}
        self.is_complete = False
        self.task: asyncio.Task[None] = asyncio.create_task(_run(app, scope, receive, self._on_message))

    async def response(self) -> NextResponse:
        waited: set[asyncio.Future[Any]] = {self.task, self._head}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not self._head.done():
            self.task.result()  # raises if it failed
            raise StreamCut("the application ended without an answer")
        return self._head.result()

    async def _on_message(self, message: Message) -> None:
        """The `send` of the application."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self.is_complete = not message.get("more_body", False)
        if not self._head.done():
            self._head.set_result(NextResponse(self._start, message, self))
            return
        await (await self._sink)(message)

    async def pour(self, sink: Send) -> None:
        """Send the remaining chunks to `sink`; return once the application has ended. Raises StreamCut."""
        self._sink.set_result(sink)
        await self.task
        if not self.is_complete:
            raise StreamCut("the stream ended before its last piece")

    async def end(self) -> None:
        self.task.cancel()
        with suppress(BaseException):  # any error was already raised where the run was awaited
            await self.task


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Wrap the call in a coroutine: an application may return any awaitable, but a task needs a coroutine."""
    await app(scope, receive, send)


class NextResponse(Response):
    """The result of `call_next`: `status_code`, `headers`, `body_iterator`, and `body` if it is one chunk."""

    def __init__(self, start: Message, first: Message, run: _Run) -> None:
        self.status_code = start["status"]
        self.raw_headers = list(start.get("headers", ()))
        self.background = None
        self._first: bytes = first.get("body", b"")
        self._run = run
        self._is_stream = not run.is_complete
        self._iterator: AsyncIterator[Any] = self._pieces()
        self._is_iterated = False
        if not self._is_stream:
            self.body = self._first

    @property
    def body_iterator(self) -> AsyncIterator[Any]:
        return self._iterator

    @body_iterator.setter
    def body_iterator(self, iterator: AsyncIterator[Any]) -> None:
        self._iterator, self._is_iterated = iterator, True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_iterated:
            await self._send_iterated(send)
        elif "body" in vars(self):
            await self._send_whole(send)
        else:
            await self._send_start(send)
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            await self._run.pour(send)

    async def _send_start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    async def _send_whole(self, send: Send) -> None:
        """Send the body as it is now: unchanged, changed, or set on a stream."""
        body = self.body.encode() if isinstance(self.body, str) else bytes(self.body)
        if body != self._first or self._is_stream:
            self.headers["content-length"] = str(len(body))
        await self._send_start(send)
        await send({"type": "http.response.body", "body": body, "more_body": False})
        if not self._is_stream:
            await self._run.task  # background tasks after the answer belong to the request

    async def _send_iterated(self, send: Send) -> None:
        if "content-length" in self.headers:
            del self.headers["content-length"]
        await self._send_start(send)
        async for piece in self._iterator:
            body = piece.encode() if isinstance(piece, str) else bytes(piece)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self) -> AsyncIterator[bytes]:
        """The body in chunks, at the consumer's pace."""
        self._is_iterated = True
        if not self._is_stream:
            yield bytes(self.body)
            return
        yield self._first
        handed_over: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)

        async def hand_over(message: Message) -> None:
            await handed_over.put(message.get("body", b""))

        pouring = asyncio.create_task(self._run.pour(hand_over))
        pouring.add_done_callback(lambda _: handed_over.put_nowait(None) if handed_over.empty() else None)
        while not (pouring.done() and handed_over.empty()):
            piece = await handed_over.get()
            if piece is not None:
                yield piece
        pouring.result()


def forwarded(request: Request, receive: Receive) -> tuple[Scope, Receive]:
    """The scope and receive for the next step; they replay the body if it was read or replaced."""
    body = getattr(request, "_body", None)
    if body is None:
        return request.scope, request.receive
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-length"]
    scope = {**request.scope, "headers": [*headers, (b"content-length", str(len(body)).encode())]}
    return scope, replay(body, receive)


def replay(body: bytes, receive: Receive) -> Receive:
    """A receive that yields `body` again, then the connection's messages, such as a disconnect. A large body comes in
    pieces, between which the event loop turns: the parser of a form takes seconds for one of megabytes."""
    rest, begin = body, 0

    async def replayed() -> Message:
        nonlocal rest, begin
        if begin < 0:
            return await receive()
        if begin:
            await asyncio.sleep(0)
        piece, begin = rest[begin : begin + _PIECE], begin + _PIECE
        has_more = begin < len(rest)
        if not has_more:
            rest, begin = b"", -1  # as it may be large
        return {"type": "http.request", "body": piece, "more_body": has_more}

    return replayed
