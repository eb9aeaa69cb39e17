"""One call as its author watches it: its stages and their times on standard error, the answer on standard output."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import BinaryIO

#: Characters of what went through a stage that are shown.
_MOST = 2000
_ERROR_EVENT = b"event: error\n"
_ERROR_STATUS = 400


class Transcript:
    """`out` gets the body: piece by piece where it is `live`, else at the end. `secrets` are shown nowhere."""

    def __init__(self, out: BinaryIO, *, live: bool) -> None:
        self.secrets: set[str] = set()
        self._out = out
        self._live = live
        self._last = time.monotonic()
        self._names_stages = False
        self._head = (0, "")
        self._pieces: list[bytes] = []
        self._is_complete = False

    def stage(self, name: str, note: str = "") -> None:
        """What has just ended; its time is that since the one before."""
        now = time.monotonic()
        _say(f"{name:16}{now - self._last:9.3f} s  {note}")
        self._last = now

    def stage_of_its_own(self, name: str, text: str) -> None:
        """A stage that only this kind of model has, and what came out of it."""
        self._names_stages = True
        self.stage(name)
        rest = len(text) - _MOST
        shown = self._masked(text)[:_MOST] + (f" … ({rest} characters more)" if rest > 0 else "")
        for line in shown.splitlines():
            _say(f"    {line}")

    def began(self, status: int, content_type: str) -> None:
        """The answer's status and headers are there."""
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
        """The last piece has come."""
        self._is_complete = True

    def ended(self) -> bool:
        """Show what is left to be shown. Whether all went well."""
        body, (status, content_type) = b"".join(self._pieces), self._head
        note = f"{status} {content_type}, {len(body)} bytes in {len(self._pieces)} chunks"
        self.stage("result", note if self._is_complete else f"{note}, and cut before its end")
        if not self._live:
            self._write(body)
        if self._out.isatty() and not body.endswith(b"\n"):
            self._write(b"\n")
        has_failed_midway = body.startswith(_ERROR_EVENT) or b"\n" + _ERROR_EVENT in body
        return self._is_complete and status < _ERROR_STATUS and not has_failed_midway

    def _write(self, body: bytes) -> None:
        for secret in self._longest_first():
            body = body.replace(secret.encode(errors="surrogateescape"), b"***")
        with contextlib.suppress(BrokenPipeError):  # who reads has read enough
            self._out.write(body)
            self._out.flush()

    def _masked(self, text: str) -> str:
        for secret in self._longest_first():
            text = text.replace(secret, "***")
        return text

    def _longest_first(self) -> list[str]:
        return sorted(filter(None, self.secrets), key=len, reverse=True)


def _say(line: str) -> None:
    print(line.rstrip(), file=sys.stderr, flush=True)
