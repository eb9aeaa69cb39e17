"""Kills the processes below this one when it ends."""

from __future__ import annotations

import contextlib
import os
from multiprocessing import resource_tracker
from typing import NoReturn

import psutil  # type: ignore[import-untyped]  # it has no types of its own

from handrail_container.process import outlet


def kill() -> None:
    """Kill all descendants, such as a pip, an engine or a script's processes: none may outlive the server.

    Python's own tracker of shared memory is left to tidy up: it ends by itself.
    """
    tracker = getattr(resource_tracker._resource_tracker, "_pid", None)
    for child in psutil.Process().children(recursive=True):
        if child.pid != tracker:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
                child.kill()


def exit_with(code: int) -> NoReturn:
    """End this process at once, and kill all descendants; buffered log lines get a moment to be written."""
    kill()
    outlet.last_words()
    os._exit(code)
