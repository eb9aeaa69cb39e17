"""The answer to one request: its messages are checked and counted, and replaced by an error while that is possible.

User code gets `Answer.send`, which is a coroutine function as ASGI requires: it may be put into a task, a task group,
`gather`, `shield` or `wait_for`. An invalid message makes the `send` raise that its author called. An exception of
another layer's `send` passes through, up to the layer that owns it.
"""

from __future__ import annotations

import asyncio
import math
import time

from handrail.core.presence import ClientLeft
from handrail.wrap.downstream import StreamCut
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail_container.http.alone import ours_alone
from handrail_container.http.envelope import WITHOUT_BODY, Explain, Failure, error_body, error_event, error_response
from handrail_container.http.framing import CONTROLS, framed

_START = "http.response.start"
_ID = b"x-request-id"
_LENGTH = b"content-length"
_LINES = b"application/jsonlines"
#: Seconds after which a stream that awaits nothing gives the event loop a turn, and the most pieces between two looks
#: at the clock.
_TURN_S = 0.001
_PIECES_A_LOOK = 256


class NoAnswer(RuntimeError):
    """An application returned before its answer was complete, although the client was still connected."""


class AnswerCut(StreamCut):
    """An answer failed midway and cannot be completed. `failure` is its error, which has been logged."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Answer:
    """The answer to one request; `verdict`, if any, is the error that its client gets in place of it.

    `refusal` is the exception that the `send` behind it raised, if any: the fault of the layer there.
    """

    __slots__ = (
        "_batch",
        "_gives_turns",
        "_has_turned",
        "_is_flowing",
        "_is_head",
        "_length",
        "_looked_at",
        "_pieces",
        "_send",
        "_stop",
        "_turn_at",
        "bytes_out",
        "first_chunk_at",
        "has_failed",
        "is_complete",
        "is_lines",
        "is_sse",
        "is_streaming",
        "refusal",
        "request_id",
        "status",
        "verdict",
    )

    def __init__(self, send: Send, request_id: str, *, is_head: bool = False, gives_turns: bool = False) -> None:
        self.request_id = request_id
        self.status = self.bytes_out = 0
        self.is_sse = self.is_lines = self.is_streaming = self.is_complete = self.has_failed = False
        self.first_chunk_at = 0.0
        self.verdict: Failure | None = None
        self.refusal: BaseException | None = None
        self._is_head = is_head
        self._length: int | None = None
        self._gives_turns = gives_turns
        self._is_flowing = False  # the next pieces need no checks
        self._batch = 1
        self._pieces = 0.0  # left before the next look at the clock
        self._looked_at = self._turn_at = 0.0
        self._has_turned = False
        self._send = send
        self._stop: type[BaseException] | None = None  # the request was ended; stop a handler that keeps sending

    async def send(self, message: Message) -> None:
        """`send` of the connection, noting the status and echoing the request id.

        Raises OSError once the client has left, ValueError or RuntimeError for an invalid answer.
        """
        if self._stop is not None:
            raise self._stop
        is_start = message["type"] == _START
        if is_start:
            message = self._start(message)
        elif not self._is_flowing:
            message = self._piece(message)
        try:
            await self._send(message)
        except BaseException as error:
            self.refusal = error
            raise
        if is_start:
            self.status = message["status"]
            return
        self.bytes_out += len(message.get("body", b""))
        if not message.get("more_body", False):
            self.is_complete, self._is_flowing = True, False
            self.first_chunk_at = self.first_chunk_at or time.monotonic()
            self._completed()
            return
        self._pieces -= 1
        if self._pieces < 1:
            await self._look()

    def _completed(self) -> None:
        """Called when the last piece was sent; the application may work on after that."""

    async def _look(self) -> None:
        """Give other tasks a turn if they have waited for _TURN_S: a client that reads fast must not hold them up. The
        next look is after as many pieces as have recently taken that time."""
        now = time.monotonic()
        if not self.first_chunk_at:
            self.first_chunk_at, self.is_streaming = now, True
            self._is_flowing = self._length is None and self.status not in WITHOUT_BODY
            self._await_turn(now)
        else:  # only if it gives turns; else `_pieces` is infinite
            fitting = self._batch * _TURN_S / max(now - self._looked_at, 1e-9)
            self._batch = max(1, int(min(fitting, 4 * self._batch, _PIECES_A_LOOK)))
            if now - self._turn_at > _TURN_S:
                if not self._has_turned:
                    await asyncio.sleep(0)
                    now = time.monotonic()  # the time that other tasks took does not count
                self._await_turn(now)
        self._pieces, self._looked_at = self._batch if self._gives_turns else math.inf, now

    def _await_turn(self, now: float) -> None:
        """Have the loop note its next turn, which it takes by itself when the stream awaits something."""
        self._turn_at, self._has_turned = now, False
        if self._gives_turns:
            asyncio.get_running_loop().call_soon(self._note_turn)

    def _note_turn(self) -> None:
        self._has_turned = True

    def _start(self, start: Message) -> Message:
        """The checked start of an answer, with the request's id: a new message, as a response may be sent twice.

        Raises ValueError for a start that would end the connection without an answer, RuntimeError for a second one.
        """
        if self.status:
            raise RuntimeError("http.response.start was sent twice")
        status = start["status"]
        headers = framed(status, [*start.get("headers", ())])
        named = dict(headers)
        if not 200 <= status <= 599:
            raise ValueError(f"{status} is no status of an answer: it is 200 to 599")
        said = b"".join([value for _, value in headers])
        if said.translate(None, CONTROLS) != said:
            raise _unsendable(headers)
        kind = named.get(b"content-type", b"")
        self.is_sse = kind.startswith(b"text/event-stream")
        self.is_lines = kind.startswith(_LINES) and _LENGTH not in named
        length = named.get(_LENGTH)
        self._length = None if length is None or self._is_head else int(length)
        if _ID not in named:
            headers.append((_ID, self.request_id.encode("latin-1")))
        return {**start, "headers": headers}

    def _piece(self, message: Message) -> Message:
        """A checked piece of the body. Raises ValueError if the body does not have the length that was announced."""
        if not self.status:
            raise RuntimeError(f"the first message of an answer is {_START!r}, not {message['type']!r}")
        if self.is_complete:
            raise RuntimeError(f"{message['type']!r} was sent after the end of the answer")
        if self.status in WITHOUT_BODY:
            return {**message, "body": b""}
        if self._length is not None:
            size = self.bytes_out + len(message.get("body", b""))
            if size > self._length or (size < self._length and not message.get("more_body", False)):
                raise ValueError(f"the header Content-Length says {self._length}, and the body has {size} bytes")
        return message

    @property
    def is_whole(self) -> bool:
        return self.is_complete

    def take_back(self) -> bool:
        """Discard the answer, if nothing of it was written; True if it may begin anew."""
        return False

    async def fail(self, failure: Failure) -> None:
        """Answer with an error. If the answer has begun, a stream of events or of JSON lines ends with one; others stay
        incomplete."""
        failure = self.verdict or failure
        self.has_failed = self.has_failed or not self.is_whole
        if self.status and self.take_back():
            self.status, self.is_complete, self.bytes_out = 0, False, 0
        if not self.status:
            response = error_response(failure, self.request_id)
            start = self._start({"type": _START, "status": failure.status, "headers": response.raw_headers})
            self.status = failure.status  # no other answer may begin meanwhile
            await self._pass({**start})
            self.is_complete = True
            self.bytes_out = len(response.body)
            await self._pass({"type": "http.response.body", "body": response.body})
        elif (self.is_sse or self.is_lines) and not self.is_complete:
            self.is_complete, self._is_flowing = True, False
            body = error_body(failure, self.request_id)
            body = error_event(body) if self.is_sse else body + b"\n"
            self.bytes_out += len(body)
            await self._pass({"type": "http.response.body", "body": body, "more_body": False})

    async def _pass(self, message: Message) -> None:
        try:
            await self._send(message)
        except BaseException as error:
            self.refusal = error
            raise


async def answer_error(error: BaseException, explain: Explain, answer: Answer) -> Failure:
    """Answer with the failure that explains `error`, and return it."""
    failure = explain(_cause(error, answer), answer.request_id)
    try:
        await answer.fail(failure)
    except ValueError as unsendable:  # the handler's status or headers
        if unsendable is answer.refusal:
            raise
        failure = explain(unsendable, answer.request_id)
        await answer.fail(failure)
    return failure


def answering(app: ASGIApp, explain: Explain) -> ASGIApp:
    """`app` with its errors answered: the layers around it see a response.

    If a response has begun and cannot be completed, the layers around it see AnswerCut. An exception of their own
    `send` reaches them unchanged.
    """

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope["state"]["handrail.exchange"]
        answer = Answer(send, exchange.request_id, is_head=scope.get("method") == "HEAD")
        try:
            await app(scope, receive, answer.send)
            require_whole(answer, is_over=exchange.is_over)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a user's handler may raise anything
            if (refusal := _refusal(ours_alone(error), answer)) is not None:
                raise refusal from None
            failure = await answer_error(error, explain, answer)
            exchange.has_failed = exchange.has_failed or answer.has_failed
            if not answer.is_complete:
                raise AnswerCut(failure) from error

    return answered


def require_whole(answer: Answer, *, is_over: bool) -> None:
    """Raises NoAnswer if an application returned before its answer was complete, or what its `send` had raised."""
    if answer.is_complete or is_over:
        return
    if answer.refusal is not None:
        raise answer.refusal
    end = "before the end of its answer" if answer.status else "without an answer"
    raise NoAnswer(f"it returned {end}: no last 'http.response.body' was sent")


def _refusal(error: BaseException, answer: Answer) -> BaseException | None:
    """The exception of the `send` behind, if `error` is it, or is Starlette's ClientDisconnect for it; else None."""
    is_starlettes = isinstance(error, ClientDisconnect) and error.__context__ is answer.refusal
    return answer.refusal if error is answer.refusal or is_starlettes else None


def _cause(error: BaseException, answer: Answer) -> BaseException:
    """`error`, or the stream's own OSError for which Starlette raised ClientDisconnect."""
    error = ours_alone(error)
    cause = error.__context__
    is_own = isinstance(cause, OSError) and not isinstance(cause, ClientLeft) and cause is not answer.refusal
    return cause if is_own and type(error) is ClientDisconnect and cause is not None else error


def _unsendable(headers: list[tuple[bytes, bytes]]) -> ValueError:
    """The error for control characters in `headers`: a client's line break would begin another answer."""
    names = ", ".join(name.decode("latin-1") for name, value in headers if value.translate(None, CONTROLS) != value)
    return ValueError(f"the value of the header {names} has a line break or another control character")
