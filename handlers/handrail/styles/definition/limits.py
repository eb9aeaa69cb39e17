"""The rate limit of a definition."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

_WINDOW_S = 60.0


class RateLimit:
    """At most `per_minute` requests in any sixty seconds; None is no limit."""

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._admitted: deque[float] = deque()

    def retry_after(self) -> int | None:
        """Count one request and return None; over the limit, return the seconds until one is admitted."""
        if self._per_minute is None:
            return None
        now = self._clock()
        while self._admitted and now - self._admitted[0] >= _WINDOW_S:
            self._admitted.popleft()
        if len(self._admitted) >= self._per_minute:
            return max(1, math.ceil(_WINDOW_S - (now - self._admitted[0])))
        self._admitted.append(now)
        return None
