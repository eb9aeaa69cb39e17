"""Runs a coroutine function on another thread's event loop, and gives what comes of it to the caller's loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

#: Seconds that a cancelled call gets to finish on its loop, which may be blocked.
HEED_S = 1.0
_ENDED = object()


class _Outcome(NamedTuple):
    result: Any
    error: BaseException | None


async def hop(
    loop: asyncio.AbstractEventLoop,
    function: Callable[[], Awaitable[T]],
    *,
    heed_s: float = HEED_S,
    ended: Callable[[], None] | None = None,
) -> T:
    """Await `function()` on `loop`, in a copy of the caller's context. Raises what it raises, with its traceback.

    Cancelling the caller cancels the call. If that has not ended after `heed_s` seconds, the caller no longer waits for
    it. `ended` is called on the caller's loop, another one, once the call has really ended, however long that takes.
    """
    if asyncio.get_running_loop() is loop:
        return await function()
    answer: T = await _Call(loop, function, ended).run(heed_s)
    return answer


async def hopped(loop: asyncio.AbstractEventLoop, items: AsyncIterator[T]) -> AsyncGenerator[T]:
    """The same items in the same order; each is made on `loop`, when it is asked for."""

    async def following() -> Any:
        return await anext(items, _ENDED)

    try:
        while (item := await hop(loop, following)) is not _ENDED:
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await hop(loop, close)


async def hop_answer(loop: asyncio.AbstractEventLoop, ask: Callable[[], Awaitable[Any]]) -> Any:
    """Await `ask()` on `loop`; if it gives a streaming response, its pieces are made there too."""
    answer = await hop(loop, ask)
    if asyncio.get_running_loop() is not loop and hasattr(answer, "body_iterator"):
        answer.body_iterator = hopped(loop, answer.body_iterator)
    return answer


class _Call:
    """One call of `function` on `there`. `_begin`, `_cancel`, `_run` and `_tell` run on that loop, all else on the
    caller's."""

    def __init__(
        self,
        there: asyncio.AbstractEventLoop,
        function: Callable[[], Awaitable[Any]],
        ended: Callable[[], None] | None,
    ) -> None:
        self._here = asyncio.get_running_loop()
        self._there = there
        self._function = function
        self._ended = ended
        self._answer: asyncio.Future[_Outcome] | None = None
        self._is_over = False
        self._task: asyncio.Task[None] | None = None
        self._outcome = _Outcome(None, asyncio.CancelledError())  # of a task that is cancelled before it runs

    async def run(self, heed_s: float) -> Any:
        self._answer = self._here.create_future()
        self._there.call_soon_threadsafe(self._begin)
        try:
            result, error = await self._answer
        except asyncio.CancelledError:
            if not self._is_over:
                self._answer = self._here.create_future()  # the first was cancelled with the caller
                with suppress(RuntimeError):  # the loop has closed
                    self._there.call_soon_threadsafe(self._cancel)
                await asyncio.wait({self._answer}, timeout=heed_s)
            raise
        finally:
            self._answer = None  # an error in it would refer to itself by its traceback, and keep what is to be closed
        if error is None:
            return result
        try:
            raise error
        finally:
            del error

    def _begin(self) -> None:
        self._task = self._there.create_task(self._run())
        self._task.add_done_callback(self._tell)

    def _cancel(self) -> None:
        assert self._task is not None  # `_begin` ran before
        self._task.cancel()

    async def _run(self) -> None:
        try:
            self._outcome = _Outcome(await self._function(), None)
        except BaseException as error:  # noqa: BLE001  raised again where it is awaited: SystemExit would end the loop
            self._outcome = _Outcome(None, error)

    def _tell(self, task: asyncio.Task[None]) -> None:
        with suppress(RuntimeError):  # the caller's loop has closed
            self._here.call_soon_threadsafe(self._settle, self._outcome)
        del self._outcome

    def _settle(self, outcome: _Outcome) -> None:
        if self._ended is not None:
            self._ended()
        self._is_over = True
        if self._answer is not None and not self._answer.done():  # else nobody waits any more
            self._answer.set_result(outcome)
