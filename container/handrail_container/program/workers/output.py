"""What a worker's process prints, line by line in our log, with the id of the request it was printed for."""

from __future__ import annotations

import asyncio
import logging
import os

logger = logging.getLogger("handrail.snippet")

_PIECE = 65536  # bytes: what a pipe holds
#: A longer line comes in pieces.
_LONGEST_LINE = 65536
_MOST_PIECES = 16


class Output:
    """A pipe for standard output and standard error both: their lines stay in order."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._source, self.sink = os.pipe()
        os.set_blocking(self._source, False)
        self._begun = b""
        self._is_open = True
        #: Whose call the process is busy with.
        self.request_id: str | None = None
        self._loop.add_reader(self._source, self._read)

    def catch_up(self) -> None:
        """Log what has been printed until now, also a line that has not ended."""
        pieces = 0
        while pieces < _MOST_PIECES and self._read():  # a thread that never stops printing must not keep us here
            pieces += 1
        if self._begun:
            self._log(self._begun)
            self._begun = b""

    def close_sink(self) -> None:
        """Once the process has it: what is read ends when it does."""
        os.close(self.sink)

    def close(self) -> None:
        if self._is_open:
            self.catch_up()
            self._is_open = False
            self._loop.remove_reader(self._source)
            os.close(self._source)

    def _read(self) -> bool:
        """Whether there was anything."""
        try:
            piece = os.read(self._source, _PIECE)
        except BlockingIOError:
            return False
        if not piece:
            self._loop.remove_reader(self._source)  # or the loop would wake up for it for ever
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
