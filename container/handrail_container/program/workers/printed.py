"""Passes the lines that a worker's process prints on to the log, as many as the event loop has time for."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextvars import Context

logger = logging.getLogger("handrail.snippet")

#: Lines logged in one turn of the event loop; others wait for the next turns.
LINES_A_TURN = 200
#: What one process may log in a second. Lines beyond it are dropped and counted.
LINES_A_SECOND = 1_000
BYTES_A_SECOND = 1 << 20
_SECOND_S = 1.0


class Printed:
    """The lines of one process. A second begins with its first line."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[bytes, str | None]] = deque()
        self._is_scheduled = False
        self._second: asyncio.TimerHandle | None = None
        self._lines_left = LINES_A_SECOND
        self._bytes_left = BYTES_A_SECOND
        self._dropped = 0
        #: Not that of the request in which a line arrives: a turn and a second have lines of several.
        self._context = Context()

    def add(self, text: bytes, request_id: str | None) -> None:
        """Take lines, each with its line break, to log them in the next turns. Its cost is bounded, however many."""
        *lines, beyond = text.split(b"\n", self._lines_left)
        self._dropped += beyond.count(b"\n")
        for line in lines:
            if len(line) > self._bytes_left:
                self._dropped += 1
                continue
            self._lines_left -= 1
            self._bytes_left -= len(line)
            self._waiting.append((line, request_id))
        if self._second is None:
            self._second = self._loop.call_later(_SECOND_S, self._end_second, context=self._context)
        self._schedule()

    def log_some(self) -> None:
        """Log the lines of one turn."""
        for _ in range(min(LINES_A_TURN, len(self._waiting))):
            _log(*self._waiting.popleft())

    def close(self) -> None:
        """Say what was dropped. Lines that still wait are logged in the next turns."""
        if self._second is not None:
            self._second.cancel()
            self._end_second()

    def _schedule(self) -> None:
        if self._waiting and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._turn, context=self._context)

    def _turn(self) -> None:
        self._is_scheduled = False
        self.log_some()
        self._schedule()

    def _end_second(self) -> None:
        self._second = None
        self._lines_left, self._bytes_left = LINES_A_SECOND, BYTES_A_SECOND
        dropped, self._dropped = self._dropped, 0
        if dropped:
            logger.warning(
                "%d lines that the snippet printed were dropped: one of its processes may log %d lines and %d bytes "
                "a second",
                dropped,
                LINES_A_SECOND,
                BYTES_A_SECOND,
            )


def _log(line: bytes, request_id: str | None) -> None:
    text = line.decode(errors="backslashreplace").removesuffix("\r")
    if request_id is None:
        logger.info("%s", text)
    else:
        logger.info("%s, request_id=%s", text, request_id)
