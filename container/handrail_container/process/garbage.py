"""Python's garbage collector, and what it need not look at."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collected_later() -> Iterator[None]:
    """For large imports, which leave next to no garbage: to look for it, again and again, is a quarter of their time.
    What there is at the end is not looked at any more."""
    if not gc.isenabled():  # somebody else has reasons of their own
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def kept() -> None:
    """What there is now stays, and is not looked at any more: to look at all of torch and vLLM stops the server for a
    third of a second, in the midst of answers. vLLM's own server does the same."""
    gc.collect()
    gc.freeze()
