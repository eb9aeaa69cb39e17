"""Checks twice a second that the engine works, and that `def` handlers can still run."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import NoReturn

from handrail.core.threads import stuck

from handrail_container.engine.backend import Backend
from handrail_container.gate.gate import Gate
from handrail_container.http.envelope import Failure
from handrail_container.process.blocked_at import place_of
from handrail_container.process.exits import EngineDeadError
from handrail_container.process.steady import Steady

logger = logging.getLogger("handrail")

_INTERVAL_S = 0.5
#: Most lines of code that a warning names, those with the most threads first.
_MOST_PLACES = 5


class HealthWatch:
    """`stall_s` is HANDRAIL_STALL_S."""

    def __init__(self, backend: Backend, gate: Gate, stall_s: float, interval_s: float = _INTERVAL_S) -> None:
        self._backend = backend
        self._gate = gate
        self._stall_s = stall_s
        self._interval_s = interval_s
        self._is_told = False
        self._engine = Steady("the watch over the engine", EngineDeadError)
        self._threads = Steady("the watch over handlers' threads")

    async def watch(self) -> NoReturn:
        """Runs until the engine is dead; then raises EngineDeadError."""
        while True:
            await asyncio.sleep(self._interval_s)
            with self._engine:
                await self._backend.check_health()
            with self._threads:
                self.check_threads()

    def check_threads(self) -> None:
        """Warn once no thread is left for `def` handlers; after `stall_s` seconds of that, make `/ping` 503."""
        found = stuck()
        if found is None:
            if self._is_told:
                logger.warning("there are threads for `def` handlers again")
            self._is_told, self._gate.stalled = False, None
            return
        if not self._is_told:
            self._is_told = True
            logger.warning(
                "no thread is left for `def` handlers: %d calls that were given up go on in theirs, at %s. Give what "
                "they wait for a timeout; /ping is 503 after %g s without one that ends (HANDRAIL_STALL_S).",
                len(found.threads),
                _places(found.threads),
                self._stall_s,
            )
        if found.for_s > self._stall_s:
            message = f"no `def` handler has ended for {found.for_s:.0f} s (HANDRAIL_STALL_S is {self._stall_s:g})"
            self._gate.stalled = Failure(503, message, "stalled")


def _places(threads: tuple[int, ...]) -> str:
    """The lines that the threads are at, with the number of threads at each."""
    counted = Counter(str(place) for place in map(place_of, threads) if place is not None)
    return ", ".join(f"{place} ({count} times)" for place, count in counted.most_common(_MOST_PLACES))
