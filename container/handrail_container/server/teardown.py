"""Runs teardown steps in reverse order, each with a timeout, and all of them even if one fails."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

from handrail_container.process import children

logger = logging.getLogger("handrail")

#: Seconds that a step has to finish after its timeout has cancelled it.
_HEED_S = 0.5

Step = Callable[[], object]


class Teardown:
    """Steps, plain or asynchronous, are pushed as each part is started; `run` takes them in reverse order, and a second
    `run` finds none."""

    def __init__(self, heed_s: float = _HEED_S) -> None:
        self._heed_s = heed_s
        self._stack = AsyncExitStack()

    def push(self, part: str, step: Step, within_s: float | None) -> None:
        """`part` names the step in the log. `within_s` is its timeout in seconds; None if its own parts have
        timeouts."""
        self._stack.push_async_callback(self._end, part, step, within_s)

    async def run(self) -> None:
        """Run all steps. A step's exception is logged and not raised."""
        await self._stack.aclose()

    async def _end(self, part: str, step: Step, within_s: float | None) -> None:
        """Run one step. A step that ignores its cancellation is abandoned: the process is about to end anyway."""

        async def awaited() -> None:
            result = step()
            if isinstance(result, Awaitable):
                await result

        ending = asyncio.create_task(awaited())
        done, _ = await asyncio.wait({ending}, timeout=within_s)
        if not done:
            logger.error("%s did not end within %g s: it is left as it is", part, within_s)
            ending.cancel()
            await asyncio.wait({ending}, timeout=self._heed_s)
            return
        error = None if ending.cancelled() else ending.exception()
        if error is not None:
            logger.error("%s failed to end", part, exc_info=error)


@contextmanager
def ends_within(seconds: float, code: int) -> Iterator[None]:
    """End the process with `code` if the block takes longer, even if a shutdown hook blocks the event loop."""
    timer = threading.Timer(seconds, _give_up, (seconds, code))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _give_up(seconds: float, code: int) -> None:
    logger.error("the server has not stopped within %g s: it ends as it is", seconds)
    children.exit_with(code)
