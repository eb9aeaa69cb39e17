"""Limits on untrusted HTTP input: size and duration of the request head, and the error sent when they are exceeded.

A request within the limits costs a comparison or two: time is checked once a second, for all connections together.
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
from handrail_container.server.protocols.timeouts import DEFAULT_TIMEOUTS, Timeouts

logger = logging.getLogger("handrail.access")

#: Bytes of a request's line and headers together.
MAX_HEAD_BYTES = 64 * 1024
#: Bytes of the path and the query.
MAX_TARGET_BYTES = 16 * 1024
MAX_HEADERS = 200

#: Bytes of a body that may still come once its request is answered; a client that has more is to stop.
MAX_REST_BYTES = 64 * 1024
#: Bytes that are discarded of a client that does not stop, so that it reads its answer. A body that is within the
#: default limit fits.
MAX_DISCARDED_BYTES = 32 << 20

_LINGER_S = 1.0
#: On Linux `poll` reports a closed peer before its data is read; elsewhere only the next read shows it.
_CLOSED = getattr(select, "POLLRDHUP", 0)

_INVALID = Failure(400, "this is not a request of HTTP/1.1")
_LARGE_HEAD = Failure(431, f"the request's line and headers are larger than {MAX_HEAD_BYTES >> 10} KiB")
_EMPTY_LINES = Failure(400, f"there are more than {MAX_HEAD_BYTES >> 10} KiB of empty lines before a request")
_MANY_HEADERS = Failure(431, f"there are more than {MAX_HEADERS} headers")
_LONG_TARGET = Failure(414, f"the path and the query are longer than {MAX_TARGET_BYTES >> 10} KiB")


class LimitedProtocol(RequestReader):
    """A `RequestReader` with limits, and with our own errors in place of uvicorn's texts."""

    def __init__(self, *args: Any, timeouts: Timeouts = DEFAULT_TIMEOUTS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timeouts = timeouts
        self._chunk_bytes = 0
        self._discarded_bytes = 0
        self._seen: tuple[Any, ...] = ()
        self._seen_at = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._mark_disconnected()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {"handrail.connection": self}  # uvicorn copies it into each request's `state`

    def _feed(self, data: bytes) -> None:
        cycle = self.cycle
        is_rest = cycle is not None and cycle.more_body and cycle.response_complete
        self._chunk_bytes = len(data)
        self._head_bytes += self._chunk_bytes
        super()._feed(data)
        if is_rest and not self._is_refused and self._is_resting():
            self._count_rest(cycle)
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            if not self._is_refused and (self._is_in_head() or self._is_unfinished()):
                self._refuse(self._over_limit() or _LARGE_HEAD)
            elif not (self._is_refused or self._is_waiting()):
                self._refuse(_EMPTY_LINES)  # a parser skips any number of them
        elif self.flow.read_paused and not (self.pipeline or self._is_unfinished() or self.transport.is_closing()):
            self.flow.resume_reading()  # uvicorn would pause until the body is asked for, and miss a disconnect

    def _is_resting(self) -> bool:
        """Whether the latest request is answered, and its body has not ended."""
        return self._is_unfinished() and not self._is_busy()

    def _count_rest(self, cycle: Any) -> None:
        cycle.rest_bytes += self._chunk_bytes
        if cycle.rest_bytes > MAX_REST_BYTES:
            self._end_rest()

    def _end_rest(self) -> None:
        """End the connection of an answered request whose body goes on. The client gets some time to read its answer:
        what it sends meanwhile is discarded, up to a limit."""
        self._is_refused = True
        self._hang_up(self._timeouts.rest_s)

    def _discard(self, data: bytes) -> None:
        self._discarded_bytes += len(data)
        if self._discarded_bytes > MAX_DISCARDED_BYTES:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        is_large = self._head_bytes + self._chunk_bytes > MAX_TARGET_BYTES
        if (is_large or len(self.headers) > MAX_HEADERS) and self._over_limit():
            raise RequestRefused
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.headers and (fault := self._over_limit()):  # trailers: `_feed` sees only those of an unfinished request
            self._fault = fault
            raise RequestRefused
        super().on_message_complete()

    def is_sending(self, scope: Scope) -> bool:
        """Whether that request's body is still being received, and reading is not paused."""
        cycle = self.cycle
        return cycle is not None and cycle.scope is scope and cycle.more_body and not self.flow.read_paused

    def check_timeouts(self, now: float) -> None:
        """Called about once a second: close connections past their head, keep-alive or write timeout."""
        unread, is_busy = self.transport.get_write_buffer_size(), self._is_busy()
        if is_busy and self.flow.read_paused and self._has_closed():
            self.transport.abort()
            return
        seen = (self.scope, is_busy, unread)
        if not _are_same(seen, self._seen):
            self._seen, self._seen_at = seen, now
        elif unread and now - self._seen_at > self._timeouts.unread_s:
            self.transport.abort()
        elif not unread and not is_busy and now - self._seen_at > self._patience_s():
            self._give_up()

    def _patience_s(self) -> float:
        if self._is_unfinished():
            return self._timeouts.rest_s
        is_kept = self.cycle is not None and not self._is_in_head()
        return self.timeout_keep_alive if is_kept else self._timeouts.head_s

    def _give_up(self) -> None:
        """Answer with 408 if a request's head has begun; else only end the connection."""
        if self._is_in_head():
            late = f"the request's headers had not come within {self._timeouts.head_s:g} s"
            self._refuse(Failure(408, late))
        elif self._is_unfinished() and not self._is_refused:
            self._end_rest()
        else:
            self.transport.close()

    def _has_closed(self) -> bool:
        """Whether the client has closed the connection, though its last data is not read yet."""
        waiting = select.poll()
        waiting.register(self.transport.get_extra_info("socket").fileno(), _CLOSED)
        return bool(waiting.poll(0))

    def cut(self) -> None:
        """Close the connection in the middle of an answer; the client sees that it is incomplete."""
        self.transport.close()

    def take_back(self, scope: Scope) -> bool:
        """Discard that request's answer, if it has begun and nothing of it was written; True if it may begin anew."""
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
        """Answer with an error if an answer is due, and accept no further input."""
        self._is_refused = True
        failure = failure or (self._over_limit() if self._is_in_head() else None) or _INVALID
        cycle = self.cycle if self._is_busy() else None
        if cycle is not None and not cycle.more_body:
            self._last_word = failure  # requests before the faulty one are answered first
            return
        if cycle is None or not (cycle.response_started or self.pipeline):
            self._answer(failure)
        self._mark_disconnected()
        self._hang_up()

    def _say_last_word(self, failure: Failure) -> None:
        self._answer(failure)
        self._hang_up()

    def _hang_up(self, linger_s: float = _LINGER_S) -> None:
        """End writing, and discard input for a moment before closing: an immediate close could lose our answer."""
        if self.transport.is_closing():
            return
        end_writing(self.transport)
        self.loop.call_later(linger_s, self.transport.close)

    def _mark_disconnected(self) -> None:
        """Mark the unanswered requests; whatever their applications still send is dropped."""
        for cycle in self.unanswered():
            cycle.disconnected, cycle.waiting_for_100_continue = True, False
            cycle.message_event.set()

    def _answer(self, failure: Failure) -> None:
        """Write an error directly; the application never sees the request."""
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
    """Compares the scopes by identity: two requests with equal scopes are still two."""
    return bool(other) and one[0] is other[0] and one[1:] == other[1:]
