"""Watching the model directory for edits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from watchfiles import PythonFilter, awatch

#: Milliseconds without a change after which an edit is over; what an editor does in several writes is one edit.
_QUIET_MS = 50


async def on_edit(folder: Path, reload: Callable[[], Awaitable[None]]) -> None:
    """Await `reload` after every edit of code, a definition or a template below `folder`; never ends."""
    edits = PythonFilter(extra_extensions=(".yaml", ".yml", ".jinja", ".env"))
    async for _ in awatch(folder, watch_filter=edits, step=_QUIET_MS, rust_timeout=1000):
        await reload()
