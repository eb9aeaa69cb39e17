"""One slot of the pool: keeps a worker running, and restarts it with exponential backoff."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from handrail.core.errors import LoadFailed

from handrail_container.program.workers.worker import Worker

logger = logging.getLogger("handrail")

#: Failures in a row after which a slot counts as crash-looping.
_MOST_FAILURES = 3
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0
#: A worker that ends before its first call, within this many seconds, counts as failed. One that ends during a call
#: does not: a client may cause it, and it says nothing about the next start.
_STEADY_S = 5.0


class WorkerKeeper:
    """One slot. `start` returns a loaded worker or raises LoadFailed; `on_ready` is called with each worker,
    `on_failure` with each fault."""

    def __init__(
        self,
        start: Callable[[], Awaitable[Worker]],
        on_ready: Callable[[Worker], None],
        on_failure: Callable[[LoadFailed], None],
    ) -> None:
        self._start = start
        self._on_ready = on_ready
        self._on_failure = on_failure
        self._failures = 0
        self.worker: Worker | None = None

    @property
    def is_failing(self) -> bool:
        return self.worker is None and self._failures >= _MOST_FAILURES

    async def keep(self) -> None:
        """Run until cancelled, replacing each worker that ends. The first one may be set already."""
        while True:
            if self.worker is None:
                await self._replace()
            else:
                self._on_ready(self.worker)
                await self.worker.ended()
                self._note_end(self.worker)
                self.worker = None

    async def _replace(self) -> None:
        if self._failures:
            await asyncio.sleep(min(_FIRST_PAUSE_S * 2 ** (self._failures - 1), _LONGEST_PAUSE_S))
        try:
            self.worker = await self._start()
        except LoadFailed as fault:
            self._failures += 1
            if self._failures == _MOST_FAILURES:
                logger.error("a worker cannot be started, and is tried again and again: %s", fault)
            self._on_failure(fault)

    def _note_end(self, worker: Worker) -> None:
        is_steady = worker.has_been_called or time.monotonic() - worker.began > _STEADY_S
        self._failures = 0 if is_steady else self._failures + 1
