"""Threads for functions that may block: AnyIO's own, each kept for one call after the other.

AnyIO hands a thread out anew for every call, which costs several times as much.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from enum import Enum, auto
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, get_ident
from typing import Any, NamedTuple, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter, to_thread

#: So many times the limiter's tokens, calls that nobody awaits any more included.
_AT_MOST = 4

P = ParamSpec("P")
T = TypeVar("T")


async def run_in_threadpool(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns or raises. In it the caller's context variables and `anyio.from_thread` are as usual.

    As many run at once as AnyIO's default limiter has tokens. Who is cancelled leaves at once, and the call goes on
    beside those; where that makes four times as many, the next waits until one is over. Raises RuntimeError where a
    thread is needed and none can be started.
    """
    loop = asyncio.get_running_loop()
    threads = _of_loop.get(loop)
    if threads is None:
        threads = _of_loop[loop] = _Threads()
    answer: T = await threads.run(loop, partial(function, *args, **kwargs))
    return answer


class Stuck(NamedTuple):
    """Calls that nobody awaits any more hold so many threads that others get none. `for_s`: since when not one has
    ended; `threads`: the idents of theirs."""

    for_s: float
    threads: tuple[int, ...]


def stuck() -> Stuck | None:
    """How it stands with the threads of the running loop; None where others can still run."""
    threads = _of_loop.get(asyncio.get_running_loop())
    return threads.stuck() if threads is not None else None


class _State(Enum):
    WAITING = auto()
    RUNNING = auto()
    OVER = auto()
    WITHDRAWN = auto()  # cancelled before its turn
    ABANDONED = auto()  # cancelled while it ran


class _Call:
    """What a thread is to do, and who waits for it."""

    __slots__ = ("_context", "_function", "_lock", "_state", "answer", "thread")

    def __init__(self, function: partial[Any], answer: asyncio.Future[Any]) -> None:
        self._function = function
        self._context = copy_context()
        self._lock = Lock()
        self._state = _State.WAITING
        self.answer = answer
        self.thread = 0  # its ident, once it runs

    def turns(self, before: _State, after: _State) -> bool:
        """Whether it was in the state `before`; the loop and a thread may want different things of it at once."""
        with self._lock:
            if self._state is not before:
                return False
            self._state = after
            return True

    def run(self) -> tuple[Any, BaseException | None]:
        try:
            return self._context.run(self._function), None
        except StopIteration as stop:  # no future takes it
            error = RuntimeError(f"{self._function.func} raised StopIteration")
            error.__cause__ = stop
            return None, error
        except BaseException as error:  # noqa: BLE001  it is raised again where it is awaited
            return None, error


class _Threads:
    """Those of one event loop, where all but `_work` is called."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._limit = to_thread.current_default_thread_limiter()
        self._unlimited = CapacityLimiter(math.inf)  # the tokens are for those who ask AnyIO itself
        self._count = 0
        self._abandoned: set[int] = set()  # the threads of calls that nobody awaits, beside those counted
        self._moved_at = 0.0  # when a call last ended, or was abandoned
        self._free = 0  # below zero: so many calls wait
        self._kept: set[asyncio.Task[None]] = set()

    async def run(self, loop: asyncio.AbstractEventLoop, function: partial[Any]) -> Any:
        call = _Call(function, loop.create_future())
        self._free -= 1
        self._add_where_one_is_needed(loop)
        self._calls.put(call)
        try:
            return await call.answer
        except asyncio.CancelledError:
            if call.turns(_State.WAITING, _State.WITHDRAWN):
                self._free += 1
            elif call.turns(_State.RUNNING, _State.ABANDONED):
                self._count -= 1  # it may never end, and the others must not run out of threads
                self._abandoned.add(call.thread)
                self._moved_at = time.monotonic()
                self._add_where_one_is_needed(loop)
            raise

    def _add_where_one_is_needed(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._free >= 0 or not self._has_room():
            return
        self._count += 1
        self._free += 1
        keeping = loop.create_task(self._keep(loop), context=Context())  # it outlives this request
        self._kept.add(keeping)
        keeping.add_done_callback(self._kept.discard)

    def _has_room(self) -> bool:
        most = self._limit.total_tokens
        return self._count < most and self._count + len(self._abandoned) < _AT_MOST * most

    def stuck(self) -> Stuck | None:
        """Where calls are abandoned, more than run are never begun: those that hold the last threads are the cause."""
        if self._has_room() or len(self._abandoned) <= (_AT_MOST - 1) * self._limit.total_tokens:
            return None
        return Stuck(time.monotonic() - self._moved_at, tuple(self._abandoned))

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> None:
        """A thread, until the loop ends or its call has been abandoned and is over."""
        try:
            thread = await to_thread.run_sync(self._work, loop, abandon_on_cancel=True, limiter=self._unlimited)
        except asyncio.CancelledError:
            self._calls.put(None)
            raise
        except RuntimeError as error:  # there is no thread
            self._count -= 1
            self._free -= 1
            self._fail_one(error)
            if self._count:
                return  # they come to whoever waits
        else:
            self._abandoned.discard(thread)
            self._moved_at = time.monotonic()
        self._add_where_one_is_needed(loop)

    def _fail_one(self, error: RuntimeError) -> None:
        """Of the calls that wait, unless a thread has come to all of them meanwhile."""
        with contextlib.suppress(Empty):
            while True:
                call = self._calls.get_nowait()
                if call is not None and call.turns(_State.WAITING, _State.OVER):
                    self._settle(call.answer, None, error)
                    return

    def _work(self, loop: asyncio.AbstractEventLoop) -> int:
        """Returns its ident."""
        ident = get_ident()
        while (call := self._calls.get()) is not None:
            call.thread = ident
            if call.turns(_State.WAITING, _State.RUNNING):
                result, error = call.run()
                if not call.turns(_State.RUNNING, _State.OVER):
                    break  # its place has been given away
                with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits
                    loop.call_soon_threadsafe(self._settle, call.answer, result, error)
                del result, error  # they would live until the next call
            del call
        return ident

    def _settle(self, answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._free += 1
        self._moved_at = time.monotonic()
        if answer.cancelled():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)


#: AnyIO has a `RunVar` for this, which takes four times as long to look up.
_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Threads] = WeakKeyDictionary()
