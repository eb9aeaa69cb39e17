"""Spares Python's garbage collector the objects that stay."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Disables the garbage collector during large imports, which leave next to no garbage: it takes a quarter of their
    time. Freezes the objects that exist at the end."""
    if not gc.isenabled():  # it was disabled elsewhere, for another reason
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def freeze_objects() -> None:
    """Freeze all objects that exist now. A collection of all of torch and vLLM stops the server for a third of a
    second, in the midst of answers. vLLM's own server does the same."""
    gc.collect()
    gc.freeze()


class CollectionHeld:
    """Holds the garbage collector off while one or more large answers are made, all of whose objects stay until then.

    It would stop the server for a tenth of a second, several times for each answer.
    """

    def __init__(self) -> None:
        self._answers = 0

    @contextlib.contextmanager
    def until_next_turn(self) -> Iterator[None]:
        """Hold it off until the event loop's turn after the one in which the block ends."""
        if not self._answers and not gc.isenabled():  # it was disabled elsewhere, for another reason
            yield
            return
        gc.disable()
        self._answers += 1
        try:
            yield
        finally:
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self._answers -= 1
        if not self._answers:
            gc.enable()
