"""Python's garbage collector, while there is only more to keep."""

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
