"""Uvicorn's request cycle with a fast path: a complete answer is written in one step.

Uvicorn writes head and body one after the other, with a coroutine and a system call for each: twice the work for the
system and for the client.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE, RequestResponseCycle

from handrail_container.http.envelope import WITHOUT_BODY
from handrail_container.http.framing import CONTROLS

_START = "http.response.start"
_BODY = "http.response.body"
_LENGTH = b"content-length"
_DATE = b"date"
_FRAMING = frozenset({b"connection", b"transfer-encoding"})
#: Bytes. A larger body is written by itself: to join it with its head would copy it.
_MAX_JOINED = 64 * 1024


class _Sent:
    """An already completed awaitable, returned when the message was written synchronously."""

    __await__: Any = ().__iter__  # avoids a Python frame per await


_SENT = _Sent()


class Cycle(RequestResponseCycle):
    """Uvicorn's cycle with fast paths for common answers; uvicorn still handles all others.

    The head of an answer with a Content-Length is held back until the next message, or the application's end.
    """

    _start: Any = None
    #: Bytes that came of the body after the answer.
    rest_bytes = 0
    #: Whether the connection is kept for another request, as far as request and answer say.
    is_kept = True
    #: Whether closing the connection ends the body: HTTP/1.0 has no chunked encoding.
    _ends_by_closing = False

    @property
    def keep_alive(self) -> bool:
        """Whether uvicorn leaves the connection open, also at the end of an answer whose request's body goes on: an
        immediate close could lose the answer, so the protocol ends that connection."""
        return self.is_kept or (self.response_complete and self.more_body)

    @keep_alive.setter
    def keep_alive(self, is_kept: bool) -> None:
        self.is_kept = is_kept

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override]  # uvicorn's is a coroutine function
        """ASGI's `send`. Its result has to be awaited at once: the message may have been sent already."""
        start = self._start
        if message["type"] != _BODY or self.disconnected or self.flow.write_paused:
            return self._begin(message)
        if start is not None:
            return _SENT if self._try_write_whole(start, message) else self._one_by_one(message)
        if message.get("more_body") and message.get("body") and self._is_stream():
            self.transport.write(b"%x\r\n%b\r\n" % (len(message["body"]), message["body"]))
            return _SENT
        return self._begin(message)

    async def send_500_response(self) -> None:
        """Called by uvicorn when the application has ended and nothing was written."""
        start, self._start = self._start, None
        if start is None:
            await super().send_500_response()
            return
        try:
            await super().send(self._prepared(start))
        finally:
            self.transport.close()  # the client sees that the body is missing

    def take_back(self) -> bool:
        """Discard a head that is held back. True if there was one: another may be sent then."""
        start, self._start = self._start, None
        return start is not None

    def _begin(self, message: Any) -> Awaitable[None]:
        if self._start is not None:
            return self._one_by_one(message)
        is_first = message["type"] == _START and not self.response_started
        if not is_first:
            if self._ends_by_closing:
                self.expected_content_length = len(message.get("body", b""))
            return super().send(message)
        if self.scope["method"] == "HEAD" or not _has_length(message["headers"]):
            return super().send(self._prepared(message))
        self._start = message
        return _SENT

    def _is_stream(self) -> bool:
        return bool(self.chunked_encoding) and not self.response_complete and self.scope["method"] != "HEAD"

    async def _one_by_one(self, message: Any) -> None:
        start, self._start = self._start, None
        await super().send(self._prepared(start))
        await super().send(message)

    def _prepared(self, start: Any) -> Any:
        """An answer's head, prepared for uvicorn: with one Date only, and without chunked encoding for HTTP/1.0."""
        names = [name.lower() for name, _ in start.get("headers", ())]
        if _DATE in names:  # the answer has its own
            self.default_headers = [header for header in self.default_headers if header[0] != _DATE]
        if self.scope["http_version"] == "1.0" and not (_LENGTH in names or start["status"] in WITHOUT_BODY):
            self._ends_by_closing, self.chunked_encoding = True, False
        return start

    def _try_write_whole(self, start: Any, message: Any) -> bool:
        """Write the whole answer. False, with nothing written, if it is incomplete, unusual or ends the connection."""
        body = message.get("body", b"")
        if message.get("more_body") or not self.is_kept:
            return False
        names, values = zip(*self.default_headers, *start["headers"])  # noqa: B905  pairs by ASGI; strict costs 10 %
        head, said = _head(names), b"".join(values)
        if head is None or values[names.index(_LENGTH)] != b"%d" % len(body) or said.translate(None, CONTROLS) != said:
            return False
        self._write(STATUS_LINE[start["status"]] + head % values, body)
        self._start = None
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = self.chunked_encoding = False
        self.message_event.set()
        self.on_response()
        return True

    def _write(self, head: bytes, body: bytes) -> None:
        if len(body) < _MAX_JOINED:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)


def _has_length(headers: Any) -> bool:
    return bool(headers) and (headers[0][0] == _LENGTH or _LENGTH in dict(headers))


@functools.lru_cache(maxsize=256)
def _head(names: tuple[bytes, ...]) -> bytes | None:
    """A template of the headers, for their values; None if a name is invalid, frames the answer or repeats Date."""
    lower = [name.lower() for name in names]
    if any(map(HEADER_RE.search, names)) or not _FRAMING.isdisjoint(lower) or lower.count(_DATE) > 1:
        return None
    return b"".join(b"%b: %%b\r\n" % name.replace(b"%", b"%%") for name in lower) + b"\r\n"
