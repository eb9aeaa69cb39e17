"""Starts the engine once: when the script builds one of its own, or else when its turn comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from handrail_container.process.exits import StartError
from handrail_container.program.adoption.record import Adoption, Construction

T = TypeVar("T")

#: Seconds that a step of the script's has to end after the engine could not start: what waits for it is told at once.
_PATIENCE_S = 5.0


class EngineStart:
    """`start` starts the engine. It is called beside a step of the script's as soon as `adoption` is wanted."""

    def __init__(self, adoption: Adoption | None, start: Callable[[], Awaitable[None]]) -> None:
        self._adoption = adoption
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._wanted = asyncio.Event()
        self._starting: asyncio.Task[None] | None = None
        if adoption is not None:
            adoption.when_wanted = self._want

    def _want(self) -> None:
        self._loop.call_soon_threadsafe(self._wanted.set)

    async def beside(self, step: Coroutine[Any, Any, T]) -> T:
        """Run a step of the script's, and start the engine meanwhile if it is wanted. Raises what the step raises;
        and what the engine's start raises, which comes first: the step may have failed by it."""
        if self._adoption is None:
            return await step
        working = asyncio.create_task(step)
        wanting = asyncio.create_task(self._wanted.wait())
        try:
            await asyncio.wait({working, wanting}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                starting = self._begin()
                await asyncio.wait({working, starting}, return_when=asyncio.FIRST_COMPLETED)
                await self._until_settled(working, starting)
            return working.result()
        except BaseException:
            await self._end()
            raise
        finally:
            wanting.cancel()
            await _ended(working)

    async def done(self) -> None:
        """Return once the engine runs. Raises what its start raises."""
        starting = self._begin()
        try:
            await asyncio.shield(starting)
        except BaseException:
            await self._end()
            raise

    async def _until_settled(self, working: asyncio.Task[Any], starting: asyncio.Task[None]) -> None:
        if starting.done() and starting.exception() is not None:
            await asyncio.wait({working}, timeout=_PATIENCE_S)
            starting.result()
        await asyncio.wait({working})

    def _begin(self) -> asyncio.Task[None]:
        if self._starting is None:
            self._starting = asyncio.create_task(self._started())
        return self._starting

    async def _started(self) -> None:
        try:
            await self._start()
        except BaseException as error:
            if self._adoption is not None:
                self._adoption.arrival.fail(f"the engine did not start: {error or type(error).__name__}")
                if isinstance(error, StartError):
                    error.problems += tuple(map(_built_at, self._adoption.built[:1]))
            raise

    async def _end(self) -> None:
        if self._starting is not None:
            await _ended(self._starting)
        if self._adoption is not None and not self._adoption.arrival.is_settled:
            self._adoption.arrival.fail("the server has stopped before the engine could start")


def _built_at(built: Construction) -> str:
    return f"{built.where} builds this engine; HANDRAIL_ADOPT_DROP leaves out arguments of it"


async def _ended(task: asyncio.Task[Any]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # retrieved, so that asyncio does not log it
