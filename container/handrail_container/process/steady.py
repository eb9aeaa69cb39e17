"""Keeps a background loop running after a fault in one of its turns."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

logger = logging.getLogger("handrail")

#: Most different faults that are logged; a watcher that fails in further ways is silent.
_MOST_KNOWN = 32


class Steady:
    """`with steady: one turn` survives what the turn raises, but for `fatal`. The same fault is logged once."""

    def __init__(self, watcher: str, fatal: type[Exception] | None = None) -> None:
        self._watcher = watcher
        self._fatal = fatal
        self._known: set[tuple[type[BaseException], str]] = set()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or (self._fatal is not None and isinstance(error, self._fatal)):
            return False
        self._note(error)
        return True

    def _note(self, error: Exception) -> None:
        frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
        fault = (type(error), f"{frame.f_code.co_filename}:{line}")
        if fault not in self._known and len(self._known) < _MOST_KNOWN:
            self._known.add(fault)
            logger.error(
                "a bug in Handrail: %s failed in one turn, and goes on; the same fault is not logged again",
                self._watcher,
                exc_info=error,
            )
