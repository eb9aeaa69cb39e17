"""Reads the output of a worker's process and logs it line by line, with the id of the current request."""

from __future__ import annotations

import asyncio
import os

from handrail_container.program.workers.printed import Printed

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
        self._printed = Printed()
        self._is_open = True
        #: The request whose call the process is running.
        self.request_id: str | None = None
        self._loop.add_reader(self._source, self._read)

    def catch_up(self) -> None:
        """Read all output so far, including an unfinished line, and log the lines of one turn."""
        pieces = 0
        while pieces < _MOST_PIECES and self._read():  # bounded: a thread of the snippet may print without end
            pieces += 1
        if self._begun:
            self._end_line()
        self._printed.log_some()

    def close_sink(self) -> None:
        """Close the server's copy of `sink` once the process has inherited it, so that its end gives EOF."""
        os.close(self.sink)

    def close(self) -> None:
        if self._is_open:
            self.catch_up()
            self._is_open = False
            self._loop.remove_reader(self._source)
            os.close(self._source)
            self._printed.close()

    def _read(self) -> bool:
        """Take the complete lines that have arrived. Returns whether there was any output."""
        try:
            piece = os.read(self._source, _PIECE)
        except BlockingIOError:
            return False
        if not piece:
            self._loop.remove_reader(self._source)  # at EOF the event loop would wake up for it without end
            return False
        text = self._begun + piece
        end = text.rfind(b"\n") + 1
        self._begun = text[end:]
        if end:
            self._printed.add(text[:end], self.request_id)
        if len(self._begun) > _LONGEST_LINE:
            self._end_line()
        return True

    def _end_line(self) -> None:
        self._printed.add(self._begun + b"\n", self.request_id)
        self._begun = b""
