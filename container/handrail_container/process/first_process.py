"""What the first process of a container owes the others: it passes signals on, and buries orphans.

The server's own children are buried by those who started them, who want to know how they ended. So the server runs in
a child of the first process, and the first process takes only what is left to it.
"""

from __future__ import annotations

import os
import signal

#: The rest either cannot be caught, or is about the process that gets it.
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def become() -> None:
    """In a container's first process, never returns: its child does. Anywhere else, nothing happens."""
    if os.getpid() == 1:
        split()


def split() -> None:
    """Return in a child; here, end as it ends, with 128 and the number of the signal that killed it."""
    awaited = {*_PASSED_ON, signal.SIGCHLD}
    # Blocked here for good, and awaited: the turn of a handler may come just before a wait, which then lasts.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    child = os.fork()
    if not child:
        os.setsid()  # a terminal's Ctrl+C would come twice: by itself, and passed on
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        number = signal.sigwait(awaited)
        if number == signal.SIGCHLD:
            bury(child)
        else:
            os.kill(child, number)  # until it is buried, its number is nobody else's


def bury(child: int) -> None:
    """Bury every process that has ended; where `child` is one of them, end as it did."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(128 - code if code < 0 else code)
        if not pid:
            return
