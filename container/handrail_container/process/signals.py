"""What signals mean to a server: which stop it, and which must not."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger("handrail")

#: SIGQUIT is the graceful stop of other servers, and of images that are built for them.
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
#: To reopen logs, to replace the program, a timer that a script set: to others they say something, and here nothing.
#: Python's own handling of them is to end the process.
_IDLE = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)

Handle = Callable[[int, FrameType | None], None]


def stopping() -> list[signal.Signals]:
    """Those that stop the server. A hang-up that is ignored stays so, as under `nohup`; an ignored SIGINT does not:
    a shell ignores it for what a script starts with `&`, and nobody has asked for that."""
    is_kept = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in _STOPPING if not (is_kept and number is signal.SIGHUP)]


def heed(handle: Handle) -> None:
    """Have `handle` called for each that stops, and nothing happen at those that do not."""
    for number in stopping():
        signal.signal(number, handle)
    for number in _IDLE:
        signal.signal(number, _nothing)


def heed_on_loop(handle: Handle, stop: Callable[[], object]) -> None:
    """The same, and `stop` is called on the running loop as well, once it is not blocked."""
    loop = asyncio.get_running_loop()
    for number in stopping():
        loop.add_signal_handler(number, stop)
        signal.signal(number, handle)  # in place of the loop's, which only wakes it: the loop is told all the same
    for number in _IDLE:
        loop.add_signal_handler(number, logger.info, "%s means nothing here, and is ignored", number.name)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Unlike SIG_IGN, it is not inherited by the programs that are started."""
