"""The first process (PID 1) of a container: it passes signals on, and reaps orphans.

The code that starts a child of the server needs the child's exit status, and reaps it itself. So the server runs in a
child of the first process, and the first process reaps only the processes that are left to it.
"""

from __future__ import annotations

import os
import signal

#: The other signals either cannot be caught, or are about the process that gets them.
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def become() -> None:
    """In a container's first process, `split`: only the child returns. In any other process, nothing happens."""
    if os.getpid() == 1:
        split()


def split() -> None:
    """Fork, and return in the child. The parent exits as the child does, with 128 plus the signal that killed it."""
    awaited = {*_PASSED_ON, signal.SIGCHLD}
    # Blocked for good, and read by `sigwait`: a handler could run just before a wait, which would miss the signal.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    child = os.fork()
    if not child:
        os.setsid()  # else a terminal's Ctrl+C would come twice: directly, and passed on
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        number = signal.sigwait(awaited)
        if number == signal.SIGCHLD:
            bury(child)
        else:
            os.kill(child, number)  # its PID is not used again before it is reaped


def bury(child: int) -> None:
    """Reap every process that has ended; if `child` is one of them, exit as it did."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(128 - code if code < 0 else code)
        if not pid:
            return
