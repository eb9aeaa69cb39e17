from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest
from handrail_container.process.threads import in_thread

variable: ContextVar[str] = ContextVar("variable")


def named(name: str) -> threading.Thread:
    (thread,) = (thread for thread in threading.enumerate() if thread.name == name)
    return thread


async def test_it_returns_what_the_function_returns() -> None:
    """In another thread, with the caller's context."""
    variable.set("the caller's")
    assert await in_thread(lambda: (threading.current_thread().name, variable.get()), "errand") == (
        "errand",
        "the caller's",
    )


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ValueError, ValueError),
        (SystemExit, RuntimeError),
        (KeyboardInterrupt, RuntimeError),
        (StopIteration, RuntimeError),
    ],
)
async def test_it_raises_what_the_function_raises(error: type[BaseException], raised: type[Exception]) -> None:
    """What would end the event loop, or no future takes, is the cause of what it raises."""

    def fail() -> None:
        raise error("from the thread")

    with pytest.raises(raised, match="from the thread") as caught:
        await in_thread(fail, "errand")
    assert isinstance(caught.value if raised is error else caught.value.__cause__, error)


async def test_the_loop_goes_on_meanwhile() -> None:
    """And a caller that is cancelled does not wait; what comes later is dropped."""
    release = threading.Event()
    waiting = asyncio.create_task(in_thread(release.wait, "held"))
    await asyncio.sleep(0)
    thread = named("held")
    assert thread.daemon
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
    while thread.is_alive():
        await asyncio.sleep(0.001)
    await asyncio.sleep(0)


def test_a_loop_that_is_gone_is_not_called() -> None:
    """A server that stopped while a script was still being imported."""
    release = threading.Event()

    async def begin() -> threading.Thread:
        asyncio.get_running_loop().create_task(in_thread(release.wait, "left behind"))
        await asyncio.sleep(0)
        return named("left behind")

    thread = asyncio.run(begin())
    release.set()
    thread.join()  # an exception in it would fail this test
