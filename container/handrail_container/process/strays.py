"""Keeps the server running after SystemExit or KeyboardInterrupt in a script's task, callback or thread.

A handler's own `sys.exit()` is its request's error. Raised in a task or a callback that a handler has started, it would
end the event loop, and no request would answer for it. Only the operator ends the server: the exception is logged, and
the loop goes on. The same holds for a script that stops the loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from handrail_container.process.blocked_at import line_of

logger = logging.getLogger("handrail")

T = TypeVar("T")


class Strays:
    """`count` is the number of strays: such exceptions, and stops of the loop."""

    def __init__(self) -> None:
        self.count = 0

    def run(self, runner: asyncio.Runner, main: Coroutine[Any, Any, T]) -> T:
        """Run `main`, and return its result; if anything else ends the loop, it goes on."""
        running = runner.get_loop().create_task(main)
        with self._of_threads():
            while not running.done():
                self._run(runner, running)
        return running.result()

    def _run(self, runner: asyncio.Runner, running: asyncio.Task[Any]) -> None:
        """Run the loop until `running` has ended, or a stray has come."""
        try:
            runner.get_loop().run_until_complete(running)
        except (SystemExit, KeyboardInterrupt) as error:
            if running.done():
                raise
            self._note("a task or a callback", error)
        except RuntimeError:
            if running.done():
                raise
            self.count += 1
            logger.error("the script has stopped the event loop (its `stop()`); the server goes on")

    def _note(self, who: str, error: BaseException) -> None:
        self.count += 1
        logger.error(
            "%s raised %s at %s; it has ended, and the server goes on: to stop it is the operator's",
            who,
            repr(error),
            line_of(error),
            exc_info=error,
        )

    @contextmanager
    def _of_threads(self) -> Iterator[None]:
        """Note the strays of threads as well: Python is silent about a thread that calls `sys.exit()`."""
        before = threading.excepthook

        def told(raised: threading.ExceptHookArgs) -> None:
            if isinstance(raised.exc_value, SystemExit | KeyboardInterrupt):
                self._note("a thread", raised.exc_value)
            else:
                before(raised)

        threading.excepthook = told
        try:
            yield
        finally:
            threading.excepthook = before


#: The strays of this process, which has one event loop that serves.
strays = Strays()
