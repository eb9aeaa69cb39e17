"""One request and its answer: the answer's state, and the cancellation of the work on it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable
from typing import Any, Protocol

from handrail.core.presence import ClientLeft
from starlette.exceptions import HTTPException
from starlette.types import Message, Scope, Send

from handrail_container.http.answer import Answer
from handrail_container.http.envelope import LEFT, Failure, request_id_of
from handrail_container.process import log_lines

#: Seconds a handler has to notice by itself that its client has left.
NOTICE_S = 0.3
#: The same for a stream of a Truss Model, which may ask once a second whether its client is there.
STREAM_NOTICE_S = 2.0
_NOT_PARSED = 400


class PlaceInLane(Protocol):
    """A request's place in a lane."""

    def answered(self) -> None: ...


class Exchange(Answer):
    """A request in the server: its client, its timeouts and its end.

    `headers` are the request's, the last of each name; `calls` are futures on the event loop that work for it;
    `has_lane` says whether it asked for admission to a lane, `place` is its place there until the answer is complete,
    `was_rejected` says whether the queue was full; `body_refusal` is what reading its body raised in another task, as a
    limit was exceeded; `handler` is the name of its handler; `took_s` is known once it is over. If it
    `ends_with_client`, no handler could still notice a disconnect.
    """

    __slots__ = (
        "_is_cancelled_by_leaving",
        "began",
        "body_bytes",
        "body_refusal",
        "calls",
        "connection",
        "ended_at",
        "ends_with_client",
        "handler",
        "has_lane",
        "headers",
        "left_at",
        "limit_s",
        "outlives_client",
        "place",
        "scope",
        "stream_limit_s",
        "task",
        "took_s",
        "was_rejected",
    )

    def __init__(self, scope: Scope, send: Send, *, is_cancelled_by_leaving: bool = True) -> None:
        state = scope.setdefault("state", {})
        headers = state.get("handrail.headers")
        self.headers: dict[bytes, bytes] = headers if headers is not None else dict(scope["headers"])
        super().__init__(send, request_id_of(self.headers), is_head=scope.get("method") == "HEAD", gives_turns=True)
        self.scope = scope
        self.began = time.monotonic()
        self.limit_s = self.stream_limit_s = self.ended_at = self.left_at = math.inf
        self.took_s = 0.0
        self.body_bytes = 0
        self.body_refusal: HTTPException | None = None
        self.calls: set[asyncio.Future[Any]] = set()
        self.has_lane = False
        self.was_rejected = self.ends_with_client = self.outlives_client = False
        self.handler = ""
        self.place: PlaceInLane | None = None
        self._is_cancelled_by_leaving = is_cancelled_by_leaving
        self.connection = connection = state.get("handrail.connection")
        loop = connection.loop if connection is not None else None  # without it, Python 3.11 makes a system call
        task = asyncio.current_task(loop)
        assert task is not None  # an ASGI application runs in a task
        self.task: asyncio.Task[Any] = task
        log_lines.request_id.set(self.request_id)  # the task is this request's alone
        state["request_id"] = state["handrail.request_id"] = self.request_id
        state["handrail.exchange"], state["handrail.calls"] = self, self.calls  # dots: no clash with `request.state.x`
        state["session"] = None

    def handrail_pour(self, piece: Message) -> Awaitable[None]:
        """`send` of a stream's piece without a coroutine, only for our own code, which awaits it at once."""
        if self._is_flowing and self._pieces > 1 and self._stop is None:
            self._pieces -= 1
            self.bytes_out += len(piece["body"])
            return self._send(piece)
        return self.send(piece)

    async def handrail_whole(self, start: Message, body: Message) -> None:
        """`send` of a complete answer, only for our own code: its length is right, so nothing is checked."""
        if self._stop is not None or self.status:
            await self.send(start)  # raises
        start["headers"].append((b"x-request-id", self.request_id.encode("latin-1")))
        try:
            await self._send(start)
            self.status = start["status"]
            await self._send(body)
        except BaseException as error:
            self.refusal = error
            raise
        self.bytes_out += len(body["body"])
        self.is_complete, self.first_chunk_at = True, time.monotonic()
        self._completed()

    def _start(self, start: Message) -> Message:
        """As of any answer. Raises what refused the body if the answer is 400: behind a middleware of Starlette's,
        FastAPI takes that exception, which comes in a group, for a body that cannot be parsed."""
        refusal, self.body_refusal = self.body_refusal, None
        if refusal is not None and start["status"] == _NOT_PARSED != refusal.status_code:
            raise refusal
        return super()._start(start)

    def _completed(self) -> None:
        place, self.place = self.place, None
        if place is not None:
            place.answered()

    @property
    def is_whole(self) -> bool:
        """Whether the complete answer was written to the client's connection, as far as is known."""
        return self.is_complete and (self.connection is None or self.connection.is_answered(self.scope))

    def take_back(self) -> bool:
        return self.connection is not None and bool(self.connection.take_back(self.scope))

    def cut(self) -> None:
        """Close the connection, if the answer has begun and is incomplete."""
        if self.status and not self.is_complete and self.connection is not None:
            self.connection.cut()

    @property
    def is_being_sent(self) -> bool:
        """Whether the client is still sending the body, and we are not pausing it."""
        return self.connection is not None and self.connection.is_sending(self.scope)

    @property
    def route(self) -> str:
        """The template of the path, if there is one, else the path."""
        return str(getattr(self.scope.get("route"), "path", self.scope["path"]))

    def end(self, verdict: Failure) -> None:
        """Cancel the work and answer with `verdict`. The first call counts, and none after a complete answer."""
        if self.verdict is not None or self.is_complete:
            return
        self.verdict, self._stop = verdict, asyncio.CancelledError
        self.ended_at = time.monotonic()
        self._cancel_calls()
        self.task.cancel()

    def _cancel_calls(self) -> None:
        for call in tuple(self.calls):
            call.cancel()

    def close(self) -> None:
        """Finish. Breaks the cycle of scope and exchange, so that reference counting frees both at once."""
        self.took_s = time.monotonic() - self.began
        if self.has_left:
            self.status = LEFT.status  # the client did not get what was sent
        self.scope["state"].pop("handrail.exchange", None)
        self.connection = None

    def leave(self) -> None:
        """The client has left. Its calls of the engine are cancelled at once. Its handler may notice by itself; it is
        cancelled after NOTICE_S, and its next `send` raises ClientLeft."""
        self.left_at = time.monotonic()
        if self._is_cancelled_by_leaving and self._stop is None:
            self._stop = ClientLeft  # `send` raises OSError, by ASGI 2.4
        if self.ends_with_client and not self.is_complete:
            self.end(LEFT)
        else:
            self._cancel_calls()

    @property
    def has_left(self) -> bool:
        """Whether the client left before the answer was complete."""
        return self.left_at < math.inf

    @property
    def is_over(self) -> bool:
        """Whether the application's answer is not needed any more: the request was ended, or the client left."""
        return self.verdict is not None or self.has_left

    @property
    def is_closed(self) -> bool:
        return self.took_s > 0

    def is_to_be_left(self, now: float) -> bool:
        if not self._is_cancelled_by_leaving or (self.outlives_client and not self.is_streaming):
            return False
        return now - self.left_at > (STREAM_NOTICE_S if self.outlives_client else NOTICE_S)

    def is_overdue(self, now: float) -> bool:
        return now - self.began > (self.stream_limit_s if self.is_streaming else self.limit_s)
