"""Logs the output of a worker's process line by line, with the id of the current request."""

from __future__ import annotations

import asyncio
import logging
import os

logger = logging.getLogger("handrail.snippet")

_PIECE = 65536  # bytes: the capacity of a pipe
#: Bytes. A longer line is logged in pieces.
_LONGEST_LINE = 65536
_MOST_PIECES = 16


class Output:
    """One pipe for both standard output and standard error, so that their lines stay in order."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._source, self.sink = os.pipe()
        os.set_blocking(self._source, False)
        self._begun = b""
        self._is_open = True
        #: The request whose call the process is running.
        self.request_id: str | None = None
        self._loop.add_reader(self._source, self._read)

    def catch_up(self) -> None:
        """Log all output so far, including an unfinished line."""
        pieces = 0
        while pieces < _MOST_PIECES and self._read():  # bounded: a thread of the snippet may print without end
            pieces += 1
        if self._begun:
            self._log(self._begun)
            self._begun = b""

    def close_sink(self) -> None:
        """Close the server's copy of `sink` once the process has inherited it, so that its end gives EOF."""
        os.close(self.sink)

    def close(self) -> None:
        if self._is_open:
            self.catch_up()
            self._is_open = False
            self._loop.remove_reader(self._source)
            os.close(self._source)

    def _read(self) -> bool:
        """Log the complete lines that have arrived. Returns whether there was any output."""
        try:
            piece = os.read(self._source, _PIECE)
        except BlockingIOError:
            return False
        if not piece:
            self._loop.remove_reader(self._source)  # at EOF the event loop would wake up for it without end
            return False
        *lines, self._begun = (self._begun + piece).split(b"\n")
        for line in lines:
            self._log(line)
        if len(self._begun) > _LONGEST_LINE:
            self._log(self._begun)
            self._begun = b""
        return True

    def _log(self, line: bytes) -> None:
        text = line.decode(errors="backslashreplace").removesuffix("\r")
        if self.request_id is None:
            logger.info("%s", text)
        else:
            logger.info("%s, request_id=%s", text, self.request_id)
