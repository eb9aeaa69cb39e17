"""Calls from other event loops to that of the engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import aclosing
from typing import Any

from handrail_container.engine.vllm.adoption.requests import for_asker


async def hop(ask: Callable[[], Awaitable[Any]], loop: asyncio.AbstractEventLoop) -> Any:
    """Await what `ask` gives, on `loop`. A cancellation of the caller cancels it there."""
    if asyncio.get_running_loop() is loop:
        return await ask()

    async def asked() -> Any:
        return await ask()

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked(), loop))


class Hopped:
    """An async iterator of another loop's. It starts with the first item that is asked for; when it is closed, or
    nobody holds it any more, it is cancelled there."""

    def __init__(self, ask: Callable[[], AsyncIterator[Any]], loop: asyncio.AbstractEventLoop) -> None:
        self._ask, self._loop = ask, loop
        self._here = asyncio.get_running_loop()
        self._items: asyncio.Queue[Any] = asyncio.Queue()
        self._call: Future[None] | None = None

    def __aiter__(self) -> Hopped:
        return self

    async def __anext__(self) -> Any:
        if self._call is None:
            items, here = self._items, self._here
            self._call = asyncio.run_coroutine_threadsafe(for_asker(_pour(self._ask, items, here)), self._loop)
            self._call.add_done_callback(lambda ended: _put(here, items, ended))
        item = await self._items.get()
        if not isinstance(item, Future):
            return item
        self._items.put_nowait(item)  # for a further call
        if not item.cancelled() and (error := item.exception()) is not None:
            raise error
        if item.cancelled():
            raise asyncio.CancelledError
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.__del__()

    def __del__(self) -> None:
        if self._call is not None:
            self._call.cancel()


async def _pour(
    ask: Callable[[], AsyncIterator[Any]], items: asyncio.Queue[Any], here: asyncio.AbstractEventLoop
) -> None:
    async with aclosing(ask()) as outputs:  # type: ignore[type-var]  # an async generator
        async for output in outputs:
            _put(here, items, output)


def _put(loop: asyncio.AbstractEventLoop, items: asyncio.Queue[Any], item: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits
        loop.call_soon_threadsafe(items.put_nowait, item)
