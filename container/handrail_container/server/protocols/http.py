"""HTTP as strangers speak it: how large and how slow a request's head may be, and what is told who overdoes it.

Nothing here costs a request that keeps within the limits more than a comparison or two: time is looked at once a
second, for all connections together.
"""

from __future__ import annotations

import logging
import select
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from handrail_container.http.envelope import Failure, error_response, request_id_of
from handrail_container.server.protocols.half_close import end_writing
from handrail_container.server.protocols.reading import RequestReader, RequestRefused

logger = logging.getLogger("handrail.access")

#: Bytes of a request's line and headers together.
MAX_HEAD_BYTES = 64 * 1024
#: Bytes of the path and the query.
MAX_TARGET_BYTES = 16 * 1024
MAX_HEADERS = 200
#: Seconds that a connection has for its first request, and any request has for its whole head.
HEAD_S = 10.0
#: Seconds without taking any of what we have for it, after which a client is cut off.
UNREAD_S = 60.0

_LINGER_S = 1.0
#: Linux says so though nothing is read; elsewhere it shows in the next read.
_CLOSED = getattr(select, "POLLRDHUP", 0)

_INVALID = Failure(400, "this is not a request of HTTP/1.1")
_LARGE_HEAD = Failure(431, f"the request's line and headers are larger than {MAX_HEAD_BYTES >> 10} KiB")
_MANY_HEADERS = Failure(431, f"there are more than {MAX_HEADERS} headers")
_LONG_TARGET = Failure(414, f"the path and the query are longer than {MAX_TARGET_BYTES >> 10} KiB")

_LATE = Failure(408, f"the request's headers had not come within {HEAD_S:g} s")


class LimitedProtocol(RequestReader):
    """With limits, and with our own errors in place of uvicorn's texts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._chunk_bytes = 0
        self._seen: tuple[Any, ...] = ()
        self._seen_at = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._tell_that_nobody_listens()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {"handrail.connection": self}  # which a request finds in its `state`

    def _feed(self, data: bytes) -> None:
        self._chunk_bytes = len(data)
        self._head_bytes += self._chunk_bytes
        super()._feed(data)
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            if not self._is_refused and (self._is_in_head() or self._is_unfinished()):
                self._refuse(self._over_limit() or _LARGE_HEAD)
        elif self.flow.read_paused and not (self.pipeline or self._is_unfinished() or self.transport.is_closing()):
            self.flow.resume_reading()  # uvicorn waits until the body is asked for, and would not see its client leave

    def on_headers_complete(self) -> None:
        is_large = self._head_bytes + self._chunk_bytes > MAX_TARGET_BYTES
        if (is_large or len(self.headers) > MAX_HEADERS) and self._over_limit():
            raise RequestRefused
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def is_sending(self, scope: Scope) -> bool:
        """Whether the body of that request is still coming, and is read as it comes."""
        cycle = self.cycle
        return cycle is not None and cycle.scope is scope and cycle.more_body and not self.flow.read_paused

    def look(self, now: float) -> None:
        """To be called every second or so: cut off who has kept us waiting for too long."""
        unread, is_busy = self.transport.get_write_buffer_size(), self._is_busy()
        if is_busy and self.flow.read_paused and self._has_closed():
            self.transport.abort()
            return
        seen = (self.scope, is_busy, unread)
        if not _are_same(seen, self._seen):
            self._seen, self._seen_at = seen, now
        elif unread and now - self._seen_at > UNREAD_S:
            self.transport.abort()
        elif not unread and not is_busy and now - self._seen_at > self._patience_s():
            self._give_up()

    def _patience_s(self) -> float:
        return self.timeout_keep_alive if self.cycle is not None and not self._is_in_head() else HEAD_S

    def _give_up(self) -> None:
        """A client that has begun to ask is told; one that has not has nothing to hear."""
        if self._is_in_head():
            self._refuse(_LATE)
        else:
            self.transport.close()

    def _has_closed(self) -> bool:
        """Whether the client has, behind what it has sent and nobody reads."""
        waiting = select.poll()
        waiting.register(self.transport.get_extra_info("socket").fileno(), _CLOSED)
        return bool(waiting.poll(0))

    def cut(self) -> None:
        """End the connection though an answer on it is not whole, which its client sees."""
        self.transport.close()

    def take_back(self, scope: Scope) -> bool:
        """Whether nothing of the answer to that request was written, though it has begun; it may begin anew."""
        return any(cycle.scope is scope and cycle.take_back() for cycle in self.unanswered())

    def is_answered(self, scope: Scope) -> bool:
        return all(cycle.scope is not scope for cycle in self.unanswered())

    def _over_limit(self) -> Failure | None:
        if len(self.url) > MAX_TARGET_BYTES:
            return _LONG_TARGET
        if len(self.headers) > MAX_HEADERS:
            return _MANY_HEADERS
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        return _LARGE_HEAD if size > MAX_HEAD_BYTES else None

    def _refuse(self, failure: Failure | None) -> None:
        """Answer with an error where an answer is due, and let nothing more in."""
        self._is_refused = True
        failure = failure or (self._over_limit() if self._is_in_head() else None) or _INVALID
        cycle = self.cycle if self._is_busy() else None
        if cycle is not None and not cycle.more_body:
            self._last_word = failure  # what came before the fault is still answered
            return
        if cycle is None or not (cycle.response_started or self.pipeline):
            self._answer(failure)
        self._tell_that_nobody_listens()
        self._hang_up()

    def _say_last_word(self, failure: Failure) -> None:
        self._answer(failure)
        self._hang_up()

    def _hang_up(self) -> None:
        """What still comes is thrown away for a while: closed at once, the connection would take our answer with it."""
        if self.transport.is_closing():
            return
        end_writing(self.transport)
        self.loop.call_later(_LINGER_S, self.transport.close)

    def _tell_that_nobody_listens(self) -> None:
        """Whatever they still send goes nowhere."""
        for cycle in self.unanswered():
            cycle.disconnected, cycle.waiting_for_100_continue = True, False
            cycle.message_event.set()

    def _answer(self, failure: Failure) -> None:
        """Past the application, which has seen none of it."""
        if self.transport.is_closing():
            return
        own = request_id_of(dict(self.scope["headers"] if self.scope is not None else ()))
        response = error_response(failure, own)
        headers = [*self.server_state.default_headers, *response.raw_headers]
        headers += [(b"x-request-id", own.encode()), (b"connection", b"close")]
        lines = [STATUS_LINE[failure.status], *(b"%b: %b\r\n" % header for header in headers), b"\r\n"]
        self.transport.write(b"".join(lines) + bytes(response.body))
        logger.info("refused %d %s request_id=%s", failure.status, failure.message, own)


def _are_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """The very scope, not an equal one: requests that ask for the same are not the same."""
    return bool(other) and one[0] is other[0] and one[1:] == other[1:]
