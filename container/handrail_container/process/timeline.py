"""The duration of a start, and of its parts."""

from __future__ import annotations

import os
import time
from pathlib import Path

_SELF = Path("/proc/self/stat")
#: Index, among the fields after the program's name, of the process's start in ticks since boot.
_BEGAN_AT = 19


class Timeline:
    """Parts that follow each other without a gap, from the process's own beginning."""

    def __init__(self) -> None:
        self._parts = [("process", process_began())]

    def begin(self, part: str) -> None:
        """Count the time for `part` from now on; a name that was used before adds to its time."""
        self._parts.append((part, time.monotonic()))

    def summary(self, where: str) -> str:
        """In seconds, up to now: `9.1 s{where}: process 0.4, script 0.2, …`."""
        took: dict[str, float] = {}
        now = time.monotonic()
        ends = [began for _, began in self._parts[1:]]
        for (part, began), end in zip(self._parts, [*ends, now], strict=True):
            took[part] = took.get(part, 0.0) + end - began
        parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in took.items())
        return f"{now - self._parts[0][1]:.1f} s{where}: {parts}"


def process_began(stat: Path = _SELF) -> float:
    """The process's start by the clock of `time.monotonic`; now, if the system does not tell."""
    try:
        ticks = int(stat.read_text().rpartition(")")[2].split()[_BEGAN_AT])
    except (OSError, ValueError, IndexError):
        return time.monotonic()
    return time.monotonic() - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
