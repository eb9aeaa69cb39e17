"""Which sessions there are and when each ends, in memory: to find those that are due opens no file."""

from __future__ import annotations

import heapq
from threading import Lock

#: So many are given at once: one request never pays for all that ended in a quiet hour.
AT_ONCE = 64
#: Below this, what is left in the heap of sessions that are gone does not matter.
_FEW = 64


class Expiries:
    """For threads. Each call costs the logarithm of the number of names, on average."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_name: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def add(self, name: str, expires: float, most: int | None = None) -> bool:
        """False, and nothing is added, where there are `most` already."""
        with self._lock:
            if most is not None and len(self._by_name) >= most:
                return False
            self._by_name[name] = expires
            heapq.heappush(self._heap, (expires, name))
            return True

    def discard(self, name: str) -> None:
        """It need not be there."""
        with self._lock:
            self._by_name.pop(name, None)
            if len(self._heap) > 2 * len(self._by_name) + _FEW:
                self._heap = sorted((expires, name) for name, expires in self._by_name.items())

    def due(self, now: float) -> list[str]:
        """At most AT_ONCE names that end by `now`, which are forgotten."""
        names: list[str] = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now and len(names) < AT_ONCE:
                expires, name = heapq.heappop(self._heap)
                if self._by_name.get(name) == expires:
                    del self._by_name[name]
                    names.append(name)
        return names
