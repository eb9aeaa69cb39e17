"""One request on a connection, and what is written for it: an answer that is whole goes out in one step.

Uvicorn writes its head and its body one after the other, a coroutine for each, and its loop sends what is written at
once: to the system, and to the client, that is twice the work.
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
#: A larger body is not copied to stand behind its head.
_MAX_JOINED = 64 * 1024


class _Sent:
    """What a message is that needs nobody to wait for it."""

    __await__: Any = ().__iter__  # without a frame of Python's


_SENT = _Sent()


class Cycle(RequestResponseCycle):
    """Uvicorn's, which still does all that is not common.

    The head of an answer of known length is held until something of its body comes, or the answer ends without it.
    """

    _start: Any = None
    #: Whether its body ends with the connection: HTTP/1.0 knows no chunks.
    _ends_by_closing = False

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override]  # uvicorn has it a coroutine
        """As ASGI has it. What it returns has to be awaited at once: the message may have been sent already."""
        start = self._start
        if message["type"] != _BODY or self.disconnected or self.flow.write_paused:
            return self._begin(message)
        if start is not None:
            return _SENT if self._is_written(start, message) else self._one_by_one(message)
        if message.get("more_body") and message.get("body") and self._is_stream():
            self.transport.write(b"%x\r\n%b\r\n" % (len(message["body"]), message["body"]))
            return _SENT
        return self._begin(message)

    async def send_500_response(self) -> None:
        """Called by uvicorn where the application has ended, and nothing has been written."""
        start, self._start = self._start, None
        if start is None:
            await super().send_500_response()
            return
        try:
            await super().send(self._prepared(start))
        finally:
            self.transport.close()  # its client sees that there is more to come, and that it does not

    def take_back(self) -> bool:
        """Whether there was a head that was held; another may be sent."""
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
        """The head of an answer, as uvicorn may write it: with one Date, and to HTTP/1.0 without chunks."""
        names = [name.lower() for name, _ in start.get("headers", ())]
        if _DATE in names:  # the answer's own
            self.default_headers = [header for header in self.default_headers if header[0] != _DATE]
        if self.scope["http_version"] == "1.0" and not (_LENGTH in names or start["status"] in WITHOUT_BODY):
            self._ends_by_closing, self.chunked_encoding = True, False
        return start

    def _is_written(self, start: Any, message: Any) -> bool:
        """Write the whole answer. False, and nothing written, where uvicorn has more to do, or something against it."""
        body = message.get("body", b"")
        if message.get("more_body") or not self.keep_alive:
            return False
        names, values = zip(*self.default_headers, *start["headers"])  # noqa: B905  pairs by ASGI; it costs a tenth
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
    """The headers of an answer, their values left open; None where a name frames the answer anew, or is no name."""
    lower = [name.lower() for name in names]
    if any(map(HEADER_RE.search, names)) or not _FRAMING.isdisjoint(lower) or lower.count(_DATE) > 1:
        return None
    return b"".join(b"%b: %%b\r\n" % name.replace(b"%", b"%%") for name in lower) + b"\r\n"
