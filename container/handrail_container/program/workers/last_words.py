"""Which line a worker's process is at: it says so when it is asked to, whatever it is doing, and when it crashes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from pathlib import Path

from handrail_container.program.workers.asking import ASK

#: As Python's faulthandler writes them, the innermost first.
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)
_BEGINNING = "(most recent call first)"
#: The signals of crashes, at which it says where it is.
_CRASHES = (signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS, signal.SIGILL)
_PIECE = 65536  # bytes: what a pipe holds
_POLL_S = 0.01
_POLLS = 50


class LastWords:
    """A pipe whose end `sink` is the process's, to write the lines it is at; `folder` is that of its own files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._source, self.sink = os.pipe()
        os.set_blocking(self._source, False)
        os.set_blocking(self.sink, False)  # where it is full, nobody waits in the midst of a crash
        self._said = b""
        self._is_open = True

    def close_sink(self) -> None:
        """Once the process has it."""
        os.close(self.sink)

    def close(self) -> None:
        """What has been said is kept."""
        if self._is_open:
            self._read()
            self._is_open = False
            os.close(self._source)

    async def ask(self, pid: int) -> str | None:
        """`file:line` of where it is, where it says so in half a second and is in a file of its own."""
        self._read()
        self._said = b""  # of a process it forked, which crashed
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, ASK)
        for _ in range(_POLLS):
            await asyncio.sleep(_POLL_S)
            if not self._read() and _BEGINNING.encode() in self._said:
                break
        return self.line

    def at(self, code: int) -> str:
        """Where the process with this return code crashed: the end of a sentence, or nothing."""
        line = self.line if -code in _CRASHES else None
        return f", at {line}" if line else ""

    @property
    def line(self) -> str | None:
        """The last `file:line` it has said, of its own files."""
        stack = self._said.decode(errors="replace").rpartition(_BEGINNING)[2]
        frames = [(Path(file).absolute(), line) for file, line in _FRAME.findall(stack)]
        own = (f"{file}:{line}" for file, line in frames if self._is_own(file))
        return next(own, None)

    def _is_own(self, file: Path) -> bool:
        return file.is_relative_to(self._folder) and "site-packages" not in file.parts

    def _read(self) -> bool:
        """Whether there was anything new."""
        piece = b""
        if self._is_open:
            with contextlib.suppress(BlockingIOError):
                piece = os.read(self._source, _PIECE)
        self._said += piece
        return bool(piece)
