"""Finds the line of the user's code that a thread is at, or that an exception came through."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import sysconfig
import traceback
from pathlib import Path
from types import FrameType
from typing import NamedTuple

_LOOPS = {asyncio.runners.__file__, asyncio.base_events.__file__, str(Path(__file__).with_name("strays.py"))}


def _folder_of(package: str) -> str:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent)


#: Beginnings of the file names that are not the user's code: libraries, and our own packages.
_FOREIGN = (
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    _folder_of("handrail"),
    _folder_of("handrail_container"),
    "<frozen ",
)


class CodeLocation(NamedTuple):
    """The line that runs, its function, and the user's functions that lead to it, the outermost first."""

    line: str
    function: str
    callers: tuple[str, ...]
    is_users: bool

    def __str__(self) -> str:
        """`/model.py:12 (answer > prepare > sleep_on_it)`"""
        return f"{self.line} ({' > '.join((*self.callers, self.function))})"


def place_of(thread: int) -> CodeLocation | None:
    """The thread's place in the user's deepest frame, else in the deepest of all; None while it runs no code."""
    frames = _frames(sys._current_frames().get(thread))
    theirs = [frame for frame in frames if not frame.f_code.co_filename.startswith(_FOREIGN)]
    if not frames:
        return None
    deepest, *callers = theirs or frames[:1]
    line = f"{deepest.f_code.co_filename}:{deepest.f_lineno}"
    names = tuple(frame.f_code.co_qualname for frame in reversed(callers))
    return CodeLocation(line, deepest.f_code.co_qualname, names, bool(theirs))


def line_of(error: BaseException) -> str:
    """`file:line` of the user's deepest frame that `error` came through, else of the deepest of all."""
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    theirs = [place for place in lines if not place[0].startswith(_FOREIGN)]
    file, line = (theirs or lines or [("?", 0)])[-1]
    return f"{file}:{line}"


def _frames(frame: FrameType | None) -> list[FrameType]:
    """The frames inside the event loop's own, the deepest first."""
    frames = []
    while frame is not None and frame.f_code.co_filename not in _LOOPS:
        frames.append(frame)
        frame = frame.f_back
    return frames
