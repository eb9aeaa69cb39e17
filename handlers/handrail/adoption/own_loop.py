"""An event loop on a thread of its own, for a script whose coroutines block.

What such a script calls in `async def` without `await` holds up its own requests, as it does wherever it is served, but
no others: the server's loop is free. All of the script's coroutines share one loop, so locks, futures and tasks that it
makes in one of them work in the others.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import ParamSpec, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from handrail.adoption.crossing import crossing
from handrail.core.hop import hop

logger = logging.getLogger("handrail")

P = ParamSpec("P")
T = TypeVar("T")

#: The timeout of `stop`, in seconds.
STOP_S = 1.0


class OwnLoop:
    """A loop that starts with its first use. `home` is the server's loop: the first that called anything on this."""

    def __init__(self, name: str = "script-loop") -> None:
        self.home: asyncio.AbstractEventLoop | None = None
        self._name = name
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_ending = asyncio.Event()
        self._when_ended: Callable[[], object] = lambda: None
        self._probe: asyncio.Future[None] | None = None

    def start(self) -> asyncio.AbstractEventLoop:
        """The loop; it runs."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                Thread(target=self._run, args=(self._loop,), name=self._name, daemon=True).start()
            return self._loop

    async def run(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await `function` on this loop, in a copy of the caller's context. Raises what it raises.

        Cancellation is passed on. The caller waits for the end of a cancelled call, but not for a loop that is blocked.
        """
        loop = self._started()
        return await hop(loop, functools.partial(function, *args, **kwargs))

    def call(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """`function` as it runs on this loop. It keeps its name and its signature."""

        @functools.wraps(function)
        async def called(*args: P.args, **kwargs: P.kwargs) -> T:
            return await self.run(function, *args, **kwargs)

        return called

    def app(self, asgi: ASGIApp) -> ASGIApp:
        """`asgi` as it runs on this loop, for HTTP and WebSockets."""
        return crossing(asgi, self._started)

    def outside(self, asgi: ASGIApp) -> ASGIApp:
        """`asgi` as it runs on the server's loop, for those that call it on this one."""

        async def called(scope: Scope, receive: Receive, send: Send) -> None:
            home = self.home or asyncio.get_running_loop()
            await crossing(asgi, lambda: home)(scope, receive, send)

        return called

    @property
    def is_blocked(self) -> bool:
        """Whether it has not answered the last question of `responds` yet."""
        return self._probe is not None and not self._probe.done()

    async def responds(self, within_s: float) -> bool:
        """Whether the loop gets to what is given to it within so many seconds."""
        here, loop = asyncio.get_running_loop(), self._started()
        if not self.is_blocked:
            self._probe = here.create_future()
            loop.call_soon_threadsafe(_set_from, here, self._probe)
        assert self._probe is not None
        await asyncio.wait({self._probe}, timeout=within_s)
        return self._probe.done()

    async def stop(self, within_s: float = STOP_S) -> None:
        """Cancel what runs on the loop, and end it; a loop that is blocked ends with the process, or when it is free.

        It cannot be used afterwards.
        """
        with self._lock:
            loop = self._loop
        if loop is None:
            return
        here = asyncio.get_running_loop()
        ended: asyncio.Future[None] = here.create_future()
        self._when_ended = functools.partial(_set_from, here, ended)
        with suppress(RuntimeError):  # it has ended already
            loop.call_soon_threadsafe(self._is_ending.set)
            await asyncio.wait({ended}, timeout=0 if self.is_blocked else within_s)
            if not ended.done():
                logger.warning("the script blocks its event loop still: it is left as it is")

    def at_end(self, function: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
        """`function` as `call` has it, to be called when the server stops: it is left out if the loop is blocked."""

        @functools.wraps(function)
        async def called(*args: P.args, **kwargs: P.kwargs) -> None:
            if self.is_blocked or not await self.responds(STOP_S):
                logger.warning("%s is not called: the script blocks its event loop", function.__qualname__)
                return
            await self.run(function, *args, **kwargs)

        return called

    def _started(self) -> asyncio.AbstractEventLoop:
        loop, running = self.start(), asyncio.get_running_loop()
        if self.home is None and running is not loop:
            self.home = running
        return loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """The thread's function."""
        asyncio.set_event_loop(loop)
        living = loop.create_task(self._live())
        while not living.done():
            try:
                loop.run_until_complete(living)
            except BaseException:  # a task of the script's that exits ends neither the loop nor the server
                logger.exception("a task of the script's ended its event loop: the loop goes on")
        loop.close()
        self._when_ended()

    async def _live(self) -> None:
        await self._is_ending.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()


def _set_from(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    """Set the result of a future of another loop, which may have closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(None))
