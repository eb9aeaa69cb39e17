from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio.from_thread
import pytest
from anyio import to_thread
from handrail.core.threads import run_in_threadpool

from tests.servers import PATIENCE_S

NUMBER: ContextVar[int] = ContextVar("NUMBER", default=0)


class Held:
    """A call that lasts until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self) -> int:
        self.begun.set()
        assert self.go.wait(PATIENCE_S)
        return threading.get_ident()

    async def in_task(self) -> asyncio.Task[int]:
        """Once it has begun."""
        task = asyncio.create_task(run_in_threadpool(self))
        assert await asyncio.to_thread(self.begun.wait, PATIENCE_S)
        return task


@pytest.fixture
async def two_at_once() -> None:
    to_thread.current_default_thread_limiter().total_tokens = 2


async def test_one_thread_serves_one_call_after_the_other() -> None:
    """Not that of the loop."""
    idents = {await run_in_threadpool(threading.get_ident) for _ in range(5)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents


async def test_arguments_and_the_caller_s_context() -> None:
    """What a call sets in it stays its own."""

    def told(first: int, *, second: int) -> tuple[int, int, int]:
        before = NUMBER.get()
        NUMBER.set(99)
        return first, second, before

    NUMBER.set(3)
    assert await run_in_threadpool(told, 1, second=2) == (1, 2, 3)
    NUMBER.set(4)
    assert await run_in_threadpool(told, 1, second=2) == (1, 2, 4)


async def test_from_a_thread_the_loop_can_be_asked() -> None:
    """By AnyIO's own functions, as in AnyIO's own threads."""

    async def on_loop(number: int) -> tuple[int, int]:
        return number, threading.get_ident()

    assert await run_in_threadpool(anyio.from_thread.run, on_loop, 5) == (5, threading.get_ident())
    assert await run_in_threadpool(anyio.from_thread.run_sync, threading.get_ident) == threading.get_ident()


@pytest.mark.parametrize(("error", "raised"), [(KeyError("k"), KeyError), (StopIteration(), RuntimeError)])
async def test_what_is_raised_is_raised(error: BaseException, raised: type[BaseException]) -> None:
    """StopIteration as coroutines have it."""

    def fail() -> None:
        raise error

    with pytest.raises(raised):
        await run_in_threadpool(fail)


class Large:
    """What a frame holds: a body, or an image."""


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("error", [ValueError("no"), StopIteration("no"), SystemExit(3)], ids=repr)
@pytest.mark.usefixtures("no_collection")
async def test_what_raises_is_gone_with_its_exception(error: BaseException) -> None:
    """No cycle keeps it until a full collection, which may come after a thousand requests."""
    held: list[weakref.ref[Large]] = []

    def fail(given: Large) -> None:
        own = Large()
        held.extend((weakref.ref(given), weakref.ref(own)))
        raise type(error)(*error.args)

    with contextlib.suppress(ValueError, RuntimeError, SystemExit):
        await run_in_threadpool(fail, Large())
    await run_in_threadpool(int)  # the thread has gone on
    assert [one() for one in held] == [None, None]


@pytest.mark.usefixtures("no_collection")
async def test_what_raises_when_it_is_abandoned_is_gone_too() -> None:
    call, gone = Held(), threading.Event()
    held: list[weakref.ref[Large]] = []

    def fail() -> None:
        own = Large()
        held.append(weakref.ref(own, lambda _: gone.set()))
        call()
        raise ValueError

    task = asyncio.create_task(run_in_threadpool(fail))
    assert await asyncio.to_thread(call.begun.wait, PATIENCE_S)
    task.cancel()
    await asyncio.wait({task})
    call.go.set()
    assert await asyncio.to_thread(gone.wait, PATIENCE_S)


@pytest.mark.usefixtures("two_at_once")
async def test_no_more_run_at_once_than_anyio_s_limiter_says() -> None:
    """The rest wait, and each has its answer."""
    first, second = Held(), Held()
    running = [await first.in_task(), await second.in_task()]
    waiting = [asyncio.create_task(run_in_threadpool(threading.get_ident)) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    first.go.set()
    assert len(set(await asyncio.gather(*waiting))) == 1
    second.go.set()
    assert len(set(await asyncio.gather(*running))) == 2


@pytest.mark.usefixtures("two_at_once")
async def test_who_is_cancelled_leaves_and_the_others_lose_no_thread() -> None:
    """A call that never ends takes no place of theirs; a thread that comes back late is one too many, and ends."""
    held = [Held() for _ in range(4)]
    for each in held:
        task = await each.in_task()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await at_once() == 2
    for each in held:
        each.go.set()
    assert await at_once() == 2


async def at_once() -> int:
    """How many calls run at once."""
    running, most, lock = 0, 0, threading.Lock()

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.1)  # if more ran at once, they would
        with lock:
            running -= 1

    await asyncio.gather(*(run_in_threadpool(call) for _ in range(6)))
    return most


@pytest.mark.usefixtures("two_at_once")
async def test_a_call_that_is_cancelled_before_it_began_is_not_made() -> None:
    """And its thread serves others."""
    first, second, never = Held(), Held(), Held()
    running = [await first.in_task(), await second.in_task()]
    waiting = asyncio.create_task(run_in_threadpool(never))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    first.go.set()
    second.go.set()
    await asyncio.gather(*running)
    assert await at_once() == 2
    assert not never.begun.is_set()


@pytest.mark.usefixtures("two_at_once")
async def test_cancelled_when_the_answer_is_on_its_way() -> None:
    """Its thread is free by then, and is counted once."""
    made = threading.Event()
    await run_in_threadpool(int)  # there is a thread
    task = asyncio.create_task(run_in_threadpool(made.set))
    await asyncio.sleep(0)
    made.wait(PATIENCE_S)
    time.sleep(0.3)  # the thread has told the loop, which is here
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert await at_once() == 2


@pytest.mark.usefixtures("two_at_once")
async def test_who_waits_gets_the_place_of_who_is_cancelled() -> None:
    """Nobody else has to come for that."""
    first, second = Held(), Held()
    running = [await first.in_task(), await second.in_task()]
    waiting = [asyncio.create_task(run_in_threadpool(threading.get_ident)) for _ in range(3)]
    await asyncio.sleep(0)
    running[0].cancel()
    assert len(set(await asyncio.gather(*waiting))) == 1
    first.go.set()
    second.go.set()
    await running[1]


@pytest.mark.usefixtures("two_at_once")
async def test_calls_that_nobody_awaits_are_bounded() -> None:
    """Four times as many as run at once; the next waits until one is over."""
    before = set(threading.enumerate())
    held = [Held() for _ in range(8)]
    for each in held:
        task = await each.in_task()
        task.cancel()
        await asyncio.wait([task])
    waiting = [asyncio.create_task(run_in_threadpool(threading.get_ident)) for _ in range(3)]
    waiting[2].cancel()
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in waiting[:2])
    assert len(_theirs(before)) == 8
    held[0].go.set()
    assert len(set(await asyncio.wait_for(asyncio.gather(*waiting[:2]), PATIENCE_S))) == 1
    assert len(_theirs(before)) == 8
    for each in held[1:]:
        each.go.set()
    while await at_once() < 2:
        await asyncio.sleep(0.01)


def _theirs(before: set[threading.Thread]) -> list[str]:
    """AnyIO's threads since then."""
    return [each.name for each in set(threading.enumerate()) - before if each.name.startswith("AnyIO")]


@contextmanager
def no_more_threads() -> Iterator[None]:
    """None can be started. The real thing would take the machine's."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        yield


@pytest.mark.usefixtures("two_at_once")
async def test_where_no_thread_can_be_started_every_call_fails() -> None:
    """Also one that waits for its turn; and they do not count any more."""
    with no_more_threads():
        calls = [asyncio.create_task(run_in_threadpool(int)) for _ in range(5)]
        await asyncio.sleep(0)
        calls[0].cancel()
        _, *errors = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), PATIENCE_S)
    assert calls[0].cancelled()
    assert [str(error) for error in errors] == ["can't start new thread"] * 4
    assert await at_once() == 2


@pytest.mark.usefixtures("two_at_once")
async def test_where_one_more_thread_cannot_be_started_those_there_are_go_on() -> None:
    """The call that needed it fails; who comes later, and finds one free, does not."""
    held = Held()
    running = await held.in_task()
    with no_more_threads():
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await asyncio.wait_for(run_in_threadpool(int), PATIENCE_S)
        held.go.set()
        await running
        assert await asyncio.wait_for(run_in_threadpool(int), PATIENCE_S) == 0
    assert await at_once() == 2


def test_threads_end_with_their_loop() -> None:
    """One that is busy then as soon as it is done."""
    held, before = Held(), set(threading.enumerate())

    async def leave_it() -> None:
        await run_in_threadpool(threading.get_ident)
        await asyncio.gather(*(run_in_threadpool(threading.get_ident) for _ in range(5)))
        await held.in_task()

    asyncio.run(leave_it())
    held.go.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
