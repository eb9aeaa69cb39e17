"""One request and its answer: how far the answer has come, and how the work on it is ended before its time."""

from __future__ import annotations

import asyncio
import math
import re
import time
from typing import TYPE_CHECKING, Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail_container import log_lines
from handrail_container.envelope import Explain, Failure, error_body, error_event, error_response, request_id_of

if TYPE_CHECKING:
    from handrail_container.admission import Lane

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

#: Nginx's status for a client that left; nobody reads it but the log.
LEFT = Failure(499, "the client left")
#: How long a handler has to find out by itself that its client has left.
NOTICE_S = 0.3


class Answer:
    """What goes out on one connection for one request."""

    __slots__ = (
        "_send",
        "bytes_out",
        "first_chunk_at",
        "has_failed",
        "is_complete",
        "is_sse",
        "is_streaming",
        "request_id",
        "status",
    )

    def __init__(self, send: Send, request_id: str) -> None:
        self.request_id = request_id
        self.status = 0
        self.is_sse = False
        self.is_streaming = False
        self.is_complete = False
        self.has_failed = False
        self.first_chunk_at = 0.0
        self.bytes_out = 0
        self._send = send

    async def send(self, message: Message) -> None:
        """`send` of the connection, noting the status and echoing the request id."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            _require_sendable(message["status"], headers.raw)
            self.status = message["status"]
            self.is_sse = headers.get("content-type", "").startswith("text/event-stream")
            headers.setdefault("X-Request-Id", self.request_id)
            message["headers"] = headers.raw
        else:
            self.is_complete = not message.get("more_body", False)
            self.bytes_out += len(message.get("body", b""))
            if not self.first_chunk_at:
                self.first_chunk_at = time.monotonic()
                self.is_streaming = not self.is_complete
        await self._send(message)

    async def fail(self, failure: Failure) -> None:
        """Answer with an error; where the answer has begun, end an event stream with one, and cut anything else."""
        self.has_failed = self.has_failed or not self.is_complete
        if not self.status:
            response = error_response(failure, self.request_id)
            headers = MutableHeaders(raw=response.raw_headers)
            _require_sendable(failure.status, headers.raw)
            self.status = failure.status
            headers.setdefault("X-Request-Id", self.request_id)
            await self._send({"type": "http.response.start", "status": failure.status, "headers": headers.raw})
            self.is_complete = True
            self.bytes_out = len(response.body)
            await self._send({"type": "http.response.body", "body": response.body})
        elif self.is_sse and not self.is_complete:
            self.is_complete = True
            body = error_event(error_body(failure, self.request_id))
            self.bytes_out += len(body)
            await self._send({"type": "http.response.body", "body": body, "more_body": False})


class Exchange(Answer):
    """A request in the server: whose it is, how long it may take, and its end.

    `headers` are the request's, the last of each name; `calls` are what works for it elsewhere on the loop; `lane` is
    where it asked to be admitted, `was_rejected` whether there was no room; `handler` is who answers.
    """

    __slots__ = (
        "_is_cancelled_by_leaving",
        "began",
        "calls",
        "ended_at",
        "handler",
        "headers",
        "lane",
        "left_at",
        "limit_s",
        "scope",
        "stream_limit_s",
        "task",
        "verdict",
        "was_rejected",
    )

    def __init__(self, scope: Scope, send: Send, *, is_cancelled_by_leaving: bool = True) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        super().__init__(send, request_id_of(self.headers))
        self.scope = scope
        self.began = time.monotonic()
        self.limit_s = self.stream_limit_s = math.inf
        self.verdict: Failure | None = None
        self.ended_at = self.left_at = math.inf
        self.calls: set[asyncio.Future[Any]] = set()
        self.lane: Lane | None = None
        self.was_rejected = False
        self.handler = ""
        self._is_cancelled_by_leaving = is_cancelled_by_leaving
        task = asyncio.current_task()
        assert task is not None  # an ASGI application is called in one
        self.task: asyncio.Task[Any] = task
        log_lines.request_id.set(self.request_id)  # the task is this request's alone
        state = scope.setdefault("state", {})
        state["request_id"], state["exchange"], state["calls"] = self.request_id, self, self.calls
        state["session"] = None

    @property
    def is_being_sent(self) -> bool:
        """Whether its client is still sending the body, and nothing of ours holds it up."""
        connection = self.scope["state"].get("connection")
        return connection is not None and connection.is_sending(self.scope)

    async def send(self, message: Message) -> None:
        if self.verdict is not None:  # whoever still sends has not heard
            raise asyncio.CancelledError
        await super().send(message)

    async def fail(self, failure: Failure) -> None:
        await super().fail(self.verdict or failure)

    @property
    def route(self) -> str:
        """The template of the path, where there is one."""
        return str(getattr(self.scope.get("route"), "path", self.scope["path"]))

    def end(self, verdict: Failure) -> None:
        """Cancel the work; the client is told `verdict`. The first one counts, and none where all has been said."""
        if self.verdict is not None or self.is_complete:
            return
        self.verdict = verdict
        self.ended_at = time.monotonic()
        for call in tuple(self.calls):
            call.cancel()
        self.task.cancel()

    def leave(self) -> None:
        """The client has gone. What the engine does for it ends at once; a handler may see it, and is cancelled after
        NOTICE_S."""
        self.left_at = time.monotonic()
        for call in tuple(self.calls):
            call.cancel()

    @property
    def has_left(self) -> bool:
        """Whether its client went before all had been said."""
        return self.left_at < math.inf

    def is_to_be_left(self, now: float) -> bool:
        return self._is_cancelled_by_leaving and now - self.left_at > NOTICE_S

    def is_overdue(self, now: float) -> bool:
        return now - self.began > (self.stream_limit_s if self.is_streaming else self.limit_s)


async def answer(app: ASGIApp, explain: Explain, given: tuple[Scope, Receive], told: Answer) -> None:
    """Let `app` answer, and answer for it where it raises."""
    scope, receive = given
    try:
        await app(scope, receive, told.send)
    except Exception as error:  # noqa: BLE001  whatever a user's handler raised is answered here
        try:
            await told.fail(explain(error, told.request_id))
        except ValueError as unsendable:  # a status or headers of the handler's
            await told.fail(explain(unsendable, told.request_id))


def _require_sendable(status: int, headers: list[tuple[bytes, bytes]]) -> None:
    """Raises ValueError for what would end the connection without an answer: a client's line break in a header."""
    if not 200 <= status <= 599:
        raise ValueError(f"{status} is no status of an answer: it is 200 to 599")
    if _CONTROL.search(b"\t".join([value for _, value in headers])):
        names = [name.decode("latin-1") for name, value in headers if _CONTROL.search(value)]
        raise ValueError(f"the value of the header {', '.join(names)} has a line break or another control character")


def answering(app: ASGIApp, explain: Explain) -> ASGIApp:
    """`app` with its errors answered: what stands around it sees a response, never an exception."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(app, explain, (scope, receive), Answer(send, scope["state"]["request_id"]))

    return answered
