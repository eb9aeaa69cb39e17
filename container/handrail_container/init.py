"""What the first process of a container owes the others: it passes signals on, and buries orphans.

The server's own children are buried by those who started them, who want to know how they ended. So the server runs in
a child of the first process, and the first process takes only what is left to it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

#: The rest either cannot be caught, or is about the process that gets it.
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def become() -> None:
    """In a container's first process, never returns: its child does. Anywhere else, nothing happens."""
    if os.getpid() == 1:
        split()


def split() -> None:
    """Return in a child; here, end as it ends, with 128 and the number of the signal that killed it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # none is lost before there is a child to pass it to
    child = os.fork()
    if not child:
        os.setsid()  # a terminal's Ctrl+C would come twice: by itself, and passed on
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        return

    def pass_on(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended in this moment
            os.kill(child, number)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    os._exit(bury_until(child))


def bury_until(child: int) -> int:
    """Wait for every process that ends, until `child` does; its exit status as a shell has it."""
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code
