"""Finds the line that a worker's process is running, on request and after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from pathlib import Path

from handrail_container.program.workers.asking import ASK

#: A frame as Python's faulthandler writes it, the innermost first.
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)
_BEGINNING = "(most recent call first)"
#: The crash signals at which faulthandler writes the line.
_CRASHES = (signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS, signal.SIGILL)
_PIECE = 65536  # bytes: the capacity of a pipe
_POLL_S = 0.01
_POLLS = 50


class LastWords:
    """A pipe from the process. The process writes its stack to `sink`; `folder` holds the snippet's own files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._source, self.sink = os.pipe()
        os.set_blocking(self._source, False)
        os.set_blocking(self.sink, False)  # a full pipe must not block a crashing process
        self._said = b""
        self._is_open = True

    def close_sink(self) -> None:
        """Close the server's copy of `sink`, once the process has inherited it."""
        os.close(self.sink)

    def close(self) -> None:
        """Close the pipe. The output read so far is kept."""
        if self._is_open:
            self._read()
            self._is_open = False
            os.close(self._source)

    async def ask(self, pid: int, polls: int = _POLLS) -> str | None:
        """`file:line` of the process; None if it does not answer in 0.5 s or is in no file of the snippet's."""
        self._read()
        self._said = b""  # may be from a forked process that crashed
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, ASK)
        for _ in range(polls):
            await asyncio.sleep(_POLL_S)
            if not self._read() and _BEGINNING.encode() in self._said:
                break
        return self.line

    def at(self, code: int) -> str:
        """The crash's line, as the end of a sentence; empty if `code` is no crash or the line is unknown."""
        line = self.line if -code in _CRASHES else None
        return f", at {line}" if line else ""

    @property
    def line(self) -> str | None:
        """The last `file:line` reported, in a file of the snippet's."""
        stack = self._said.decode(errors="replace").rpartition(_BEGINNING)[2]
        frames = [(Path(file).absolute(), line) for file, line in _FRAME.findall(stack)]
        own = (f"{file}:{line}" for file, line in frames if self._is_own(file))
        return next(own, None)

    def _is_own(self, file: Path) -> bool:
        return file.is_relative_to(self._folder) and "site-packages" not in file.parts

    def _read(self) -> bool:
        """Read new output without blocking. Returns whether there was any."""
        piece = b""
        if self._is_open:
            with contextlib.suppress(BlockingIOError):
                piece = os.read(self._source, _PIECE)
        self._said += piece
        return bool(piece)
