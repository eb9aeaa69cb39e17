"""One request and its answer: how far the answer has come, and how the work on it is ended before its time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail_container import log_lines
from handrail_container.cycle import CONTROLS
from handrail_container.envelope import (
    WITHOUT_BODY,
    Explain,
    Failure,
    error_body,
    error_event,
    error_response,
    request_id_of,
)
from handrail_container.framing import framed

if TYPE_CHECKING:
    from handrail_container.admission import Lane

_ID = b"x-request-id"

#: Nginx's status for a client that left; nobody reads it but the log.
LEFT = Failure(499, "the client left")
#: How long a handler has to find out by itself that its client has left.
NOTICE_S = 0.3
#: The same for a stream of a Truss Model, which may ask once a second whether its client is there.
STREAM_NOTICE_S = 2.0


class Answer:
    """What goes out on one connection for one request; `verdict` is what its client is told in place of it."""

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
        "verdict",
    )

    def __init__(self, send: Send, request_id: str) -> None:
        self.request_id = request_id
        self.status = self.bytes_out = 0
        self.is_sse = self.is_streaming = self.is_complete = self.has_failed = False
        self.first_chunk_at = 0.0
        self.verdict: Failure | None = None
        self._send = send

    def send(self, message: Message) -> Awaitable[None]:
        """`send` of the connection, noting the status and echoing the request id.

        What it returns has to be awaited at once: the message counts as sent, and a stream pays for one coroutine only.
        """
        if self.verdict is not None:  # whoever still sends has not heard
            raise asyncio.CancelledError
        if message["type"] == "http.response.start":
            message = {**message, "headers": self._headers(message)}  # it is its sender's, who may send it again
        else:
            if self.status in WITHOUT_BODY:
                message = {**message, "body": b""}
            self.is_complete = not message.get("more_body", False)
            self.bytes_out += len(message.get("body", b""))
            if not self.first_chunk_at:
                self.first_chunk_at = time.monotonic()
                self.is_streaming = not self.is_complete
        return self._send(message)

    def _headers(self, start: Message) -> list[tuple[bytes, bytes]]:
        """Those of an answer that begins, with the request's id: a new list, for a response may be sent twice.

        Raises ValueError for what would end the connection without an answer.
        """
        status = start["status"]
        headers = framed(status, [*start.get("headers", ())])
        named = dict(headers)
        if not 200 <= status <= 599:
            raise ValueError(f"{status} is no status of an answer: it is 200 to 599")
        said = b"".join([value for _, value in headers])
        if said.translate(None, CONTROLS) != said:
            raise _unsendable(headers)
        self.is_sse = named.get(b"content-type", b"").startswith(b"text/event-stream")
        self.status = status
        return headers if _ID in named else [*headers, (_ID, self.request_id.encode("latin-1"))]

    @property
    def is_whole(self) -> bool:
        return self.is_complete

    def take_back(self) -> bool:
        """Whether what was sent of the answer has not been written, and is forgotten."""
        return False

    async def fail(self, failure: Failure) -> None:
        """Answer with an error; where the answer has begun, end an event stream with one, and cut anything else."""
        failure = self.verdict or failure
        self.has_failed = self.has_failed or not self.is_whole
        if self.status and self.take_back():
            self.status, self.is_complete = 0, False
        if not self.status:
            response = error_response(failure, self.request_id)
            start = {"type": "http.response.start", "status": failure.status, "headers": response.raw_headers}
            start["headers"] = self._headers(start)
            await self._send(start)
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
    where it asked to be admitted, `was_rejected` whether there was no room; `handler` is who answers; `took_s` is known
    once it is over. One that `ends_with_client` has nobody who could still see that its client has left.
    """

    __slots__ = (
        "_is_cancelled_by_leaving",
        "began",
        "calls",
        "connection",
        "ended_at",
        "ends_with_client",
        "handler",
        "headers",
        "lane",
        "left_at",
        "limit_s",
        "outlives_client",
        "scope",
        "stream_limit_s",
        "task",
        "took_s",
        "was_rejected",
    )

    def __init__(self, scope: Scope, send: Send, *, is_cancelled_by_leaving: bool = True) -> None:
        self.headers = headers = dict(scope["headers"])
        super().__init__(send, request_id_of(headers))
        self.scope = scope
        self.began = time.monotonic()
        self.limit_s = self.stream_limit_s = self.ended_at = self.left_at = math.inf
        self.took_s = 0.0
        self.calls: set[asyncio.Future[Any]] = set()
        self.lane: Lane | None = None
        self.was_rejected = self.ends_with_client = self.outlives_client = False
        self.handler = ""
        self._is_cancelled_by_leaving = is_cancelled_by_leaving
        state = scope.setdefault("state", {})
        self.connection = connection = state.get("handrail.connection")
        loop = connection.loop if connection is not None else None  # Python 3.11 asks the system before it tells
        task = asyncio.current_task(loop)
        assert task is not None  # an ASGI application is called in one
        self.task: asyncio.Task[Any] = task
        log_lines.request_id.set(self.request_id)  # the task is this request's alone
        state["request_id"] = state["handrail.request_id"] = self.request_id
        state["handrail.exchange"], state["handrail.calls"] = self, self.calls  # names that no `request.state.x` takes
        state["session"] = None

    @property
    def is_whole(self) -> bool:
        """Whether the client has been sent all of it, as far as is known."""
        return self.is_complete and (self.connection is None or self.connection.is_answered(self.scope))

    def take_back(self) -> bool:
        return self.connection is not None and bool(self.connection.take_back(self.scope))

    def cut(self) -> None:
        """What has begun and cannot be ended in its own way ends with its connection."""
        if self.status and not self.is_complete and self.connection is not None:
            self.connection.cut()

    @property
    def is_being_sent(self) -> bool:
        """Whether its client is still sending the body, and nothing of ours holds it up."""
        return self.connection is not None and self.connection.is_sending(self.scope)

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
        self._cancel_calls()
        self.task.cancel()

    def _cancel_calls(self) -> None:
        for call in tuple(self.calls):
            call.cancel()

    def close(self) -> None:
        """It is over. Without a way from the scope back to here both are freed at once, and not by the collector."""
        self.took_s = time.monotonic() - self.began
        if self.has_left:
            self.status = LEFT.status  # whatever was sent, nobody has it
        self.scope["state"].pop("handrail.exchange", None)
        self.connection = None

    def leave(self) -> None:
        """The client has gone. What the engine does for it ends at once; a handler may see it, and is cancelled after
        NOTICE_S."""
        self.left_at = time.monotonic()
        if self.ends_with_client and not self.is_complete:
            self.end(LEFT)
        else:
            self._cancel_calls()

    @property
    def has_left(self) -> bool:
        """Whether its client went before all had been said."""
        return self.left_at < math.inf

    def is_to_be_left(self, now: float) -> bool:
        if not self._is_cancelled_by_leaving or (self.outlives_client and not self.is_streaming):
            return False
        return now - self.left_at > (STREAM_NOTICE_S if self.outlives_client else NOTICE_S)

    def is_overdue(self, now: float) -> bool:
        return now - self.began > (self.stream_limit_s if self.is_streaming else self.limit_s)


async def tell(error: Exception, explain: Explain, told: Answer) -> None:
    """Answer for whoever raised `error`."""
    try:
        await told.fail(explain(error, told.request_id))
    except ValueError as unsendable:  # a status or headers of the handler's
        await told.fail(explain(unsendable, told.request_id))


def _unsendable(headers: list[tuple[bytes, bytes]]) -> ValueError:
    """A client's line break in a header would begin an answer of its own."""
    names = ", ".join(name.decode("latin-1") for name, value in headers if value.translate(None, CONTROLS) != value)
    return ValueError(f"the value of the header {names} has a line break or another control character")


def answering(app: ASGIApp, explain: Explain) -> ASGIApp:
    """`app` with its errors answered: what stands around it sees a response, never an exception."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope["state"]["handrail.exchange"]
        told = Answer(send, exchange.request_id)
        try:
            await app(scope, receive, told.send)
        except Exception as error:  # noqa: BLE001  whatever a user's handler raised is answered here
            await tell(error, explain, told)
            exchange.has_failed = exchange.has_failed or told.has_failed

    return answered
