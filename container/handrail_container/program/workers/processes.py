"""Ends a process together with its descendants."""

from __future__ import annotations

import contextlib
import os
import signal

import psutil  # type: ignore[import-untyped]  # it has no types of its own


def descendants(pid: int) -> list[psutil.Process]:
    """All descendants, including those outside the process's group. Blocks while it reads the list of all processes."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the group. Does nothing if no process of the group is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: PermissionError where all are zombies
        os.killpg(pid, number)


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def ending(code: int) -> str:
    """How a process with this return code ended, for a message."""
    if code >= 0:
        return f"exit status {code}"
    name = signal.Signals(-code).name
    return f"signal {name}" + (", which the system sends where memory runs out" if code == -signal.SIGKILL else "")
