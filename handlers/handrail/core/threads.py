"""A thread pool for functions that may block: AnyIO's threads, each kept for many calls.

AnyIO itself hands out a thread for each call, which costs several times as much.
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

#: Most threads, as a multiple of the limiter's tokens, abandoned calls included.
_AT_MOST = 4

P = ParamSpec("P")
T = TypeVar("T")


async def run_in_threadpool(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in a thread. The caller's context variables and `anyio.from_thread` work in it as usual.

    AnyIO's default limiter bounds the calls that run at once. A cancelled caller returns at once; its call runs on as
    abandoned, beside the limit. At four times the limit, the next call waits until one ends. Raises the function's
    exceptions, and RuntimeError if a needed thread cannot be started.
    """
    loop = asyncio.get_running_loop()
    threads = _of_loop.get(loop)
    if threads is None:
        threads = _of_loop[loop] = _Threads()
    answer: T = await threads.run(loop, partial(function, *args, **kwargs))
    return answer


class Stuck(NamedTuple):
    """Abandoned calls hold so many threads that other calls get none. `for_s` is the seconds since a call last ended
    or was abandoned; `threads` are the idents of the abandoned calls' threads."""

    for_s: float
    threads: tuple[int, ...]


def stuck() -> Stuck | None:
    """The state of the running loop's threads if they are all held; None while calls can still run."""
    threads = _of_loop.get(asyncio.get_running_loop())
    return threads.stuck() if threads is not None else None


class _State(Enum):
    WAITING = auto()
    RUNNING = auto()
    OVER = auto()
    WITHDRAWN = auto()  # cancelled before its turn
    ABANDONED = auto()  # cancelled while it ran


class _Call:
    """A call for a thread, with the future of its caller."""

    __slots__ = ("_lock", "_state", "answer", "context", "function", "thread")

    def __init__(self, function: partial[Any], answer: asyncio.Future[Any]) -> None:
        self.function = function
        self.context = copy_context()
        self._lock = Lock()
        self._state = _State.WAITING
        self.answer = answer
        self.thread = 0  # the running thread's ident

    def try_transition(self, before: _State, after: _State) -> bool:
        """Change the state if it is `before`; returns whether it was. The loop and a thread may compete for it."""
        with self._lock:
            if self._state is not before:
                return False
            self._state = after
            return True


def _outcome(context: Context, function: partial[Any]) -> tuple[Any, BaseException | None]:
    """The result, or the exception. Its traceback has this frame and its callers, in which nothing may refer to the
    exception, nor to the future that gets it: a cycle would keep all that its frames hold until a full collection."""
    try:
        return context.run(function), None
    except StopIteration as stop:  # a future refuses StopIteration
        return None, _as_runtime_error(stop, function)
    except BaseException as error:  # noqa: BLE001  raised again where it is awaited
        return None, error


def _as_runtime_error(stop: StopIteration, function: partial[Any]) -> RuntimeError:
    error = RuntimeError(f"{function.func} raised StopIteration")
    error.__cause__ = stop
    return error


class _Threads:
    """The threads of one event loop. All methods but `_work` are called in the loop."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._limit = to_thread.current_default_thread_limiter()
        self._unlimited = CapacityLimiter(math.inf)  # leaves the tokens to direct users of AnyIO
        self._count = 0
        self._abandoned: set[int] = set()  # threads of abandoned calls, not in `_count`
        self._moved_at = 0.0  # when a call last ended, or was abandoned
        self._free = 0  # if negative, the number of waiting calls
        self._kept: set[asyncio.Task[None]] = set()

    async def run(self, loop: asyncio.AbstractEventLoop, function: partial[Any]) -> Any:
        call = _Call(function, loop.create_future())
        self._free -= 1
        self._add_where_one_is_needed(loop)
        self._calls.put(call)
        try:
            return await call.answer
        except asyncio.CancelledError:
            if call.try_transition(_State.WAITING, _State.WITHDRAWN):
                self._free += 1
            elif call.try_transition(_State.RUNNING, _State.ABANDONED):
                self._count -= 1  # it may never end: its place goes to another thread
                self._abandoned.add(call.thread)
                self._moved_at = time.monotonic()
                self._add_where_one_is_needed(loop)
            raise
        finally:
            del call  # its future has the exception, whose traceback has this frame

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
        """The stuck state, if abandoned calls hold so many threads that live calls cannot use all tokens."""
        if self._has_room() or len(self._abandoned) <= (_AT_MOST - 1) * self._limit.total_tokens:
            return None
        return Stuck(time.monotonic() - self._moved_at, tuple(self._abandoned))

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep one thread until the loop ends, or until its abandoned call has ended."""
        try:
            thread = await to_thread.run_sync(self._work, loop, abandon_on_cancel=True, limiter=self._unlimited)
        except asyncio.CancelledError:
            self._calls.put(None)
            raise
        except RuntimeError as error:  # no thread can be started
            self._count -= 1
            self._free -= 1
            self._fail_one(error)
            if self._count:
                return  # the other threads take the waiting calls
        else:
            self._abandoned.discard(thread)
            self._moved_at = time.monotonic()
        self._add_where_one_is_needed(loop)

    def _fail_one(self, error: RuntimeError) -> None:
        """Fail one waiting call, if any still waits."""
        with contextlib.suppress(Empty):
            while True:
                call = self._calls.get_nowait()
                if call is not None and call.try_transition(_State.WAITING, _State.OVER):
                    self._settle(call.answer, None, error)
                    return

    def _work(self, loop: asyncio.AbstractEventLoop) -> int:
        """Run calls in this thread; returns its ident."""
        ident = get_ident()
        while (call := self._calls.get()) is not None:
            call.thread = ident
            if call.try_transition(_State.WAITING, _State.RUNNING):
                result, error = _outcome(call.context, call.function)
                if is_awaited := call.try_transition(_State.RUNNING, _State.OVER):
                    self._tell(loop, call.answer, result, error)
                del result, error  # else they would live until the next call
                if not is_awaited:
                    break  # abandoned: its place has been given away
            del call
        return ident

    def _tell(self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any], *outcome: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed
            loop.call_soon_threadsafe(self._settle, answer, *outcome)

    def _settle(self, answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._free += 1
        self._moved_at = time.monotonic()
        if answer.cancelled():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)


#: AnyIO's `RunVar` does the same, but a lookup takes four times as long.
_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Threads] = WeakKeyDictionary()
