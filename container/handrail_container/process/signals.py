"""The handling of signals: those that stop the server, and those that must not."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from types import FrameType

from handrail_container.process import children

logger = logging.getLogger("handrail")

#: SIGQUIT is the graceful stop of other servers, and of the images that are built for them.
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
#: Ignored. Other servers reopen logs or replace the program at these, and a script's timer may send one. Python's own
#: handling of them is to end the process.
_IDLE = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)

Handle = Callable[[int, FrameType | None], None]


def _nothing(*given: object) -> None:
    """Do nothing. Unlike SIG_IGN, the programs that are started do not inherit it."""


def stopping() -> list[signal.Signals]:
    """The signals that stop the server. An ignored SIGHUP stays ignored, as under `nohup`. An ignored SIGINT does not:
    a shell ignores it for each command that a script starts with `&`, which is not the operator's wish."""
    is_kept = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in _STOPPING if not (is_kept and number is signal.SIGHUP)]


def heed(handle: Handle) -> None:
    """Have `handle` called for each signal that stops the server, and nothing happen at the ignored ones."""
    for number in stopping():
        signal.signal(number, handle)
    for number in _IDLE:
        signal.signal(number, _nothing)


class StopSignals:
    """The stop of a server by signals: the first one asks it to stop, a second one ends the process at once."""

    def __init__(self, on_first: Callable[[], object] = _nothing) -> None:
        """`on_first` is called by the signal handler itself, even while the event loop is blocked."""
        self._on_first = on_first
        self._has_come = False
        self._asked_to_stop = asyncio.Event()

    def install(self) -> None:
        """Handle the signals, on the running event loop. Call it again if a library has replaced the handlers."""
        loop = asyncio.get_running_loop()
        for number in stopping():
            loop.add_signal_handler(number, self._asked_to_stop.set)
            signal.signal(number, self._on_signal)  # replaces the loop's, which does nothing: Python wakes the loop
        for number in _IDLE:
            loop.add_signal_handler(number, logger.info, "%s means nothing here, and is ignored", number.name)

    async def wait(self) -> None:
        """Wait for the first signal."""
        await self._asked_to_stop.wait()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """A second signal exits with the status that a shell gives to that signal."""
        if self._has_come:
            children.exit_with(128 + number)
        self._has_come = True
        self._on_first()
