"""Runs blocking work beside the event loop, in threads that a stopping process does not wait for."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[[], T], name: str) -> T:
    """Run `function` in a thread; returns or raises what it does. Unlike with `asyncio.to_thread`, an import or an
    engine that is still being built does not delay the exit: the thread is a daemon, and nothing joins it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(call: Callable[..., None], value: object) -> None:
        if not future.done():
            call(value)

    def run() -> None:
        try:
            result = context.run(function)
        except BaseException as error:  # noqa: BLE001  raised again by the await below
            outcome: tuple[Callable[..., None], object] = (future.set_exception, _raisable(error, name))
        else:
            outcome = (future.set_result, result)
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future


def _raisable(error: BaseException, name: str) -> Exception:
    """`error` as a task may raise it: SystemExit and KeyboardInterrupt would end the loop, and a future does not take
    StopIteration."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    raisable = RuntimeError(f"{name} raised {error!r}")
    raisable.__cause__ = error
    return raisable
