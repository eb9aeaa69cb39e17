"""In-memory index of the sessions' expiry times: finding the expired ones opens no file."""

from __future__ import annotations

import heapq
from threading import Lock

#: Most names returned by one call: no single request pays for all that expired in a quiet hour.
AT_ONCE = 64
#: Up to so many stale entries stay in the heap.
_FEW = 64


class Expiries:
    """Thread-safe. Each call is O(log n) on average, n being the number of names."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_name: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def add(self, name: str, expires: float, most: int | None = None) -> bool:
        """Returns False without adding if there are `most` already. `expires` is in seconds since 1970."""
        with self._lock:
            if most is not None and len(self._by_name) >= most:
                return False
            self._by_name[name] = expires
            heapq.heappush(self._heap, (expires, name))
            return True

    def discard(self, name: str) -> None:
        """Remove a name, if present."""
        with self._lock:
            self._by_name.pop(name, None)
            if len(self._heap) > 2 * len(self._by_name) + _FEW:
                self._heap = sorted((expires, name) for name, expires in self._by_name.items())

    def due(self, now: float) -> list[str]:
        """Remove and return at most AT_ONCE names that expire by `now`."""
        names: list[str] = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now and len(names) < AT_ONCE:
                expires, name = heapq.heappop(self._heap)
                if self._by_name.get(name) == expires:
                    del self._by_name[name]
                    names.append(name)
        return names
