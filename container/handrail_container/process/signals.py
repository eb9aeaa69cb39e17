"""The handling of signals: those that stop the server, and those that must not."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger("handrail")

#: SIGQUIT is the graceful stop of other servers, and of the images that are built for them.
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
#: Ignored. Other servers reopen logs or replace the program at these, and a script's timer may send one. Python's own
#: handling of them is to end the process.
_IDLE = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)

Handle = Callable[[int, FrameType | None], None]


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


def heed_on_loop(handle: Handle, stop: Callable[[], object]) -> None:
    """As `heed`; `stop` is called on the running event loop as well, once the loop is not blocked."""
    loop = asyncio.get_running_loop()
    for number in stopping():
        loop.add_signal_handler(number, stop)
        signal.signal(number, handle)  # replaces the loop's, which does nothing: Python wakes the loop all the same
    for number in _IDLE:
        loop.add_signal_handler(number, logger.info, "%s means nothing here, and is ignored", number.name)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Do nothing. Unlike SIG_IGN, the programs that are started do not inherit it."""
