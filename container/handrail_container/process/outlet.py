"""Standard output and error that never block their writer: a thread writes out what is buffered.

A pipe, a socket or a terminal is full once its reader stops; a write then blocks its caller, which may be the event
loop. A file is never full in this way, and is written to directly.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue

logger = logging.getLogger("handrail")

#: Seconds after a write in which further data is collected: under load, not every line wakes the thread.
_COLLECT_S = 0.005
#: Seconds that the exit waits for a slow reader.
LAST_WORDS_S = 1.0
_POLL_S = 0.002


class Outlet(io.BufferedIOBase):
    """The binary half of a text stream. Up to `most` bytes are buffered for the thread that writes them to `fd`; data
    beyond that is dropped and counted."""

    def __init__(self, fd: int, name: str, most: int) -> None:
        self.name = name
        self.mode = "wb"
        #: Lines that were dropped so far.
        self.dropped = 0
        self._fd = fd
        self._most = most
        self._is_broken = False
        self._told = 0
        self._begin()
        os.register_at_fork(after_in_child=self._be_direct)
        threading.Thread(target=self._pass_on, name=f"outlet of {name}", daemon=True).start()

    def _begin(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal's handler may write during a write
        self._waiting: list[bytes] = []
        self._size = 0
        self._is_idle = True
        self._is_direct = False
        self._work: SimpleQueue[None] = SimpleQueue()

    def _be_direct(self) -> None:
        """Write without a thread in a forked child, which has none; the parent writes what is buffered."""
        self._begin()
        self._is_direct = True

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def write(self, data: bytes) -> int:  # type: ignore[override]  # a text stream writes bytes
        """Buffer `data`, and return at once."""
        data = bytes(data)
        if self._is_direct:
            self._write_out(data)
            return len(data)
        with self._lock:
            if self._size + len(data) > self._most:
                self.dropped += data.count(b"\n") or 1
                return len(data)
            self._waiting.append(data)
            self._size += len(data)
            is_woken, self._is_idle = self._is_idle, False
        if is_woken:
            self._work.put(None)
        return len(data)

    def drain(self, within_s: float) -> None:
        """Wait until all is written, or for `within_s` seconds. Takes no lock: a signal's handler may call it."""
        deadline = time.monotonic() + within_s
        while self._size and not self._is_direct and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _pass_on(self) -> None:
        while True:
            self._work.get()
            while data := self._taken():
                self._write_out(data)
                with self._lock:
                    self._size -= len(data)
                self._tell()
                time.sleep(_COLLECT_S)

    def _taken(self) -> bytes:
        with self._lock:
            taken, self._waiting = self._waiting, []
            self._is_idle = not taken
        return b"".join(taken)

    def _write_out(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self._is_broken:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # the pipe was given to us as non-blocking
                _await_room(self._fd)
            except OSError as error:  # the reader has gone, or its disk is full
                self._is_broken = error.errno in (errno.EPIPE, errno.EBADF)
                return

    def _tell(self) -> None:
        """Log the number of lines that were dropped, now that the reader reads again."""
        missed, self._told = self.dropped - self._told, self.dropped
        if missed:
            logger.warning("%s was not read for a while: %d lines of it were dropped", self.name, missed)


def _await_room(fd: int) -> None:
    waiting = select.poll()
    waiting.register(fd, select.POLLOUT)
    waiting.poll()


def install(most: int) -> None:
    """Replace `sys.stdout` and `sys.stderr`, if a reader could stop reading them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if may_block(stream):
            stream.flush()
            outlet = Outlet(stream.fileno(), f"standard {'output' if name == 'stdout' else 'error'}", most)
            setattr(sys, name, _text(outlet, stream))


def may_block(stream: io.TextIOWrapper | None) -> bool:
    """Whether `stream` is a pipe, a socket or a terminal: not a file, and no object of Python's alone."""
    if stream is None:
        return False
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (stat.S_ISCHR(mode) and os.isatty(stream.fileno()))


def _text(outlet: Outlet, like: io.TextIOWrapper) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        outlet,
        encoding=like.encoding,
        errors=like.errors,
        line_buffering=like.line_buffering,
        write_through=like.write_through,
    )


def outlets() -> Iterator[Outlet]:
    """The outlets that are installed."""
    for stream in (sys.stdout, sys.stderr):
        outlet = getattr(stream, "buffer", None)
        if isinstance(outlet, Outlet):
            yield outlet


def dropped() -> int:
    """The lines that all outlets have dropped so far."""
    return sum(outlet.dropped for outlet in outlets())


def last_words() -> None:
    """Write what is buffered before the process ends, for at most LAST_WORDS_S."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the reader has gone
            stream.flush()
    deadline = time.monotonic() + LAST_WORDS_S
    for outlet in outlets():
        outlet.drain(deadline - time.monotonic())
