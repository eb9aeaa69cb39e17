"""Runs the steps of a plain generator in threads; a step may outlast the consumer that requested it."""

from __future__ import annotations

import logging
from collections.abc import Generator
from inspect import GEN_CLOSED, getgeneratorstate
from threading import Lock
from typing import Any

logger = logging.getLogger("handrail")

#: Returned by a step at the generator's end.
ENDED = object()


class Steps:
    """The steps of one generator. It is closed by the consumer, or by a step still running when the consumer left.

    A running step cannot be stopped, and a running generator cannot be closed.
    """

    def __init__(self, generator: Generator[Any, Any, Any]) -> None:
        self._generator = generator
        self._lock = Lock()
        self._runs = False
        self._is_left = False

    def next(self) -> Any:
        """The next item, or ENDED."""
        with self._lock:
            if self._is_left:  # the consumer left before this step began
                return ENDED
            self._runs = True
        try:
            return next(self._generator, ENDED)
        finally:
            if self._finish_step():
                self._close_abandoned()

    def leave(self) -> bool:
        """End the steps, without waiting for a running one. Returns whether the caller must close the generator."""
        with self._lock:
            self._is_left = True
            return not self._runs and getgeneratorstate(self._generator) != GEN_CLOSED

    def close(self) -> None:
        """Close the generator. Raises its exceptions."""
        self._generator.close()

    def _finish_step(self) -> bool:
        """End a step; returns whether the consumer has left meanwhile."""
        with self._lock:
            self._runs = False
            return self._is_left

    def _close_abandoned(self) -> None:
        try:
            self._generator.close()
        except BaseException:
            logger.exception("a generator whose client had left failed when it was closed")
