"""The steps of a plain generator in threads, each of which may outlast whoever asked for it."""

from __future__ import annotations

import logging
from collections.abc import Generator
from inspect import GEN_CLOSED, getgeneratorstate
from threading import Lock
from typing import Any

logger = logging.getLogger("handrail")

#: What a step gives in place of an item.
ENDED = object()


class Steps:
    """Of one generator, which is closed by whoever is last: the one who leaves it, or the step that he did not await.

    A step cannot be stopped, and a generator that runs cannot be closed.
    """

    def __init__(self, generator: Generator[Any, Any, Any]) -> None:
        self._generator = generator
        self._lock = Lock()
        self._runs = False
        self._is_left = False

    def next(self) -> Any:
        """Its next item, or ENDED."""
        with self._lock:
            if self._is_left:  # after the thread had taken the step, and before it began
                return ENDED
            self._runs = True
        try:
            return next(self._generator, ENDED)
        finally:
            if self._comes_back():
                self._close_for_nobody()

    def leave(self) -> bool:
        """Whether there is something to close, by the caller: no step will be made. It does not wait for one."""
        with self._lock:
            self._is_left = True
            return not self._runs and getgeneratorstate(self._generator) != GEN_CLOSED

    def close(self) -> None:
        """Raises what the generator raises."""
        self._generator.close()

    def _comes_back(self) -> bool:
        """Whether it was left meanwhile."""
        with self._lock:
            self._runs = False
            return self._is_left

    def _close_for_nobody(self) -> None:
        try:
            self._generator.close()
        except BaseException:
            logger.exception("a generator whose client had left failed when it was closed")
