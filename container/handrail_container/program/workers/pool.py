"""The worker pool of one snippet, with its queue of calls."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from handrail.core.errors import LoadFailed
from handrail.styles.definition.runner import Busy, NotText, SnippetRaised, WorkerDied
from handrail.styles.definition.snippet import Snippet

from handrail_container.program.workers import wire
from handrail_container.program.workers.keeper import WorkerKeeper
from handrail_container.program.workers.worker import Worker

#: Timeout in seconds for importing a snippet.
LOAD_LIMIT_S = 120.0
_STOPPING = "the server is stopping"
#: The weight of the newest call in the moving average.
_NEWEST = 0.2


@dataclass(frozen=True, eq=False)
class _Job:
    call: bytes
    request_id: str
    answer: asyncio.Future[str]


class WorkerPool:
    """A `Runner`. At most `queue_limit` calls wait. `engine_url` is the base URL of the engine's `/v1`, or None. An
    import of the snippet takes at most `load_limit_s` seconds."""

    def __init__(
        self, snippet: Snippet, queue_limit: int, engine_url: str | None, load_limit_s: float = LOAD_LIMIT_S
    ) -> None:
        self._snippet = snippet
        self._queue_limit = queue_limit
        self._engine_url = engine_url
        self._load_limit_s = load_limit_s
        self._slots = [WorkerKeeper(self._start_worker, self._next, self._fail_waiting) for _ in range(snippet.workers)]
        self._keeping: list[asyncio.Task[None]] = []
        self._working: set[asyncio.Task[None]] = set()
        self._idle: list[Worker] = []
        self._waiting: deque[_Job] = deque()
        self._mean_s = 0.0
        self._why_not = _STOPPING  # the reason that no call can run, while that is so

    async def start(self) -> None:
        """Returns when the first worker is ready; the others follow. Raises LoadFailed."""
        self._slots[0].worker = await self._start_worker()
        self._keeping = [asyncio.create_task(slot.keep()) for slot in self._slots]

    @property
    def is_healthy(self) -> bool:
        return bool(self._keeping) and any(not slot.is_failing for slot in self._slots)

    async def run(self, body: str, *, request_id: str, sample: Any = None) -> str:
        """As `Runner.run`. A cancelled caller returns at once; a call that a worker has begun runs to its end."""
        if not self.is_healthy:
            raise WorkerDied(self._why_not)
        call = wire.pack({"request_id": request_id, "sample": sample}, body)
        job = _Job(call, request_id, asyncio.get_running_loop().create_future())
        worker = self._take_idle()
        if worker is None and len(self._waiting) >= self._queue_limit:
            raise Busy(self._retry_after_s())
        self._waiting.append(job)
        if worker is not None:
            self._next(worker)
        try:
            return await job.answer
        except asyncio.CancelledError:
            if job in self._waiting:
                self._waiting.remove(job)
            raise

    async def stop(self) -> None:
        """End every worker. Calls that are still waiting raise WorkerDied."""
        keeping, self._keeping = self._keeping, []
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        self._why_not = _STOPPING
        self._fail_all(_STOPPING)
        idle, self._idle = self._idle, []
        busy = [slot.worker for slot in self._slots if slot.worker is not None and slot.worker not in idle]
        await asyncio.gather(*(worker.close() for worker in idle), *(worker.kill() for worker in busy))
        await asyncio.gather(*self._working)

    async def _start_worker(self) -> Worker:
        worker = Worker(self._snippet, self._engine_url)
        await worker.start(self._load_limit_s)
        return worker

    def _take_idle(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_usable:
                return worker
        return None

    def _next(self, worker: Worker) -> None:
        """Give the worker the call that has waited longest; without one, it becomes idle."""
        if not self._waiting:
            self._idle = [*(other for other in self._idle if other.is_usable), worker]
            return
        task = asyncio.create_task(self._work(worker, self._waiting.popleft()))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, worker: Worker, job: _Job) -> None:
        began = time.monotonic()
        try:
            _settle(job, await worker.run(job.call, job.request_id))
        except (SnippetRaised, NotText) as failure:
            _settle(job, failure)
        except Exception as failure:  # noqa: BLE001  passed to the caller, even if it is a bug of ours
            _settle(job, failure)
            worker.is_spent = True
        self._measure(time.monotonic() - began)
        if worker.is_spent:
            await worker.kill()
        else:
            self._next(worker)

    def _fail_waiting(self, fault: LoadFailed) -> None:
        """Fail all waiting calls if no worker can be started."""
        if not self.is_healthy:
            self._why_not = f"no other can be started: {fault}"
            self._fail_all(self._why_not)

    def _fail_all(self, how: str) -> None:
        while self._waiting:
            _settle(self._waiting.popleft(), WorkerDied(how))

    def _measure(self, seconds: float) -> None:
        self._mean_s = seconds if not self._mean_s else self._mean_s + _NEWEST * (seconds - self._mean_s)

    def _retry_after_s(self) -> float:
        return max(1, math.ceil(self._mean_s * (len(self._waiting) + 1) / len(self._slots)))


def _settle(job: _Job, outcome: str | Exception) -> None:
    if job.answer.done():  # its caller was cancelled
        return
    if isinstance(outcome, str):
        job.answer.set_result(outcome)
    else:
        job.answer.set_exception(outcome)
