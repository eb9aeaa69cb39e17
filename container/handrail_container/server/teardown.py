"""Ends what was begun: the last first, each within its time, and all of it though one fails."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

from handrail_container.process import children

logger = logging.getLogger("handrail")

#: A step that is over its time is cancelled, and has so long to heed that.
_HEED_S = 0.5

Step = Callable[[], object]


class Teardown:
    """Steps, plain or asynchronous, are pushed as each part is begun; `run` takes them in reverse order, and a second
    `run` finds none."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    def push(self, part: str, step: Step, within_s: float | None) -> None:
        """`part` is what the log calls it where `step` fails or is not done within its time; None where it is made of
        parts that have theirs."""
        self._stack.push_async_callback(_end, part, step, within_s)

    async def run(self) -> None:
        """Raises nothing that a step raises."""
        await self._stack.aclose()


@contextmanager
def ends_within(seconds: float, code: int) -> Iterator[None]:
    """What is done meanwhile may block the event loop, as a shutdown hook can: after that time the process ends."""
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


async def _end(part: str, step: Step, within_s: float | None) -> None:
    """One that does not heed its end is left: the process, too, ends in a moment."""

    async def awaited() -> None:
        result = step()
        if isinstance(result, Awaitable):
            await result

    ending = asyncio.create_task(awaited())
    done, _ = await asyncio.wait({ending}, timeout=within_s)
    if not done:
        logger.error("%s did not end within %g s: it is left as it is", part, within_s)
        ending.cancel()
        await asyncio.wait({ending}, timeout=_HEED_S)
        return
    error = None if ending.cancelled() else ending.exception()
    if error is not None:
        logger.error("%s failed to end", part, exc_info=error)
