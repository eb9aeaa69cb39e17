"""Output of one `handrail invoke`: stages and their times on standard error, the answer on standard output."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from typing import BinaryIO

from handrail.core.redaction import Redactor
from starlette.datastructures import Headers
from starlette.types import Message

from handrail_container.process.report import say

#: Characters shown of a stage's output.
_MOST = 2000
_ERROR_EVENT = b"event: error\n"
_ERROR_LINE = b'{"error":'
_LINES = "application/jsonlines"
_ERROR_STATUS = 400


class Transcript:
    """Writes the body to `out`: chunk by chunk if `live`, else at the end. `hidden` redacts the output of stages, and
    not the body."""

    def __init__(self, out: BinaryIO, hidden: Redactor, *, live: bool) -> None:
        self._out = out
        self._hidden = hidden
        self._live = live
        self._last = time.monotonic()
        self._names_stages = False
        self._head = (0, "")
        self._pieces: list[bytes] = []
        self._is_complete = False

    def stage(self, name: str, note: str = "") -> None:
        """Show a stage that has just ended, with the seconds since the stage before."""
        now = time.monotonic()
        _say(f"{name:16}{now - self._last:9.3f} s  {note}")
        self._last = now

    def stage_of_its_own(self, name: str, text: str) -> None:
        """Show a stage that only this kind of model has, with its output."""
        self._names_stages = True
        self.stage(name)
        rest = len(text) - _MOST
        shown = self._hidden(text)[:_MOST] + (f" … ({rest} characters more)" if rest > 0 else "")
        for line in shown.splitlines():
            _say(f"    {line}")

    def began(self, status: int, content_type: str) -> None:
        """The answer's status and headers have arrived."""
        self._head = (status, content_type)
        if not self._names_stages:
            self.stage("handler", str(status))

    def piece(self, body: bytes) -> None:
        if not body:
            return
        if not self._pieces and not self._names_stages:
            self.stage("first chunk")
        self._pieces.append(body)
        if self._live:
            self._write(body)

    def completed(self) -> None:
        """The last chunk has arrived."""
        self._is_complete = True

    def hear(self, message: Message) -> bool:
        """Record a message of an ASGI application; returns whether it was the last."""
        if message["type"] == "http.response.start":
            self.began(message["status"], Headers(raw=message["headers"]).get("content-type", ""))
            return False
        self.piece(message.get("body", b""))
        if not message.get("more_body", False):
            self.completed()
        return self._is_complete

    def ended(self) -> bool:
        """Show the rest. Returns whether the answer was complete and no error."""
        body, (status, content_type) = b"".join(self._pieces), self._head
        chunks = "1 chunk" if len(self._pieces) == 1 else f"{len(self._pieces)} chunks"
        note = f"{status} {content_type}, {len(body)} bytes in {chunks}"
        self.stage("result", note if self._is_complete else f"{note}, and cut before its end")
        if not self._live:
            self._write(body)
        if self._out.isatty() and not body.endswith(b"\n"):
            self._write(b"\n")
        return self._is_complete and status < _ERROR_STATUS and not _has_failed_midway(body, content_type)

    def tells(self, form: re.Pattern[str]) -> bool:
        """Whether the answer contains `form`."""
        return form.search(b"".join(self._pieces).decode(errors="replace")) is not None

    def _write(self, body: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # the reader has closed the pipe
            self._out.write(body)
            self._out.flush()


def _has_failed_midway(body: bytes, content_type: str) -> bool:
    """Whether a stream ends with an error: an event, or a line of JSON."""
    if content_type.startswith(_LINES):
        return any(line.startswith(_ERROR_LINE) for line in body.splitlines()[-1:])
    return body.startswith(_ERROR_EVENT) or b"\n" + _ERROR_EVENT in body


def _say(line: str) -> None:
    say(line.rstrip(), logging.INFO)
