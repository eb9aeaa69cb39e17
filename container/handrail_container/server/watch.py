"""Watches the model directory for edits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from watchfiles import PythonFilter, awatch

from handrail_container.process.steady import Steady

#: Milliseconds without a change after which an edit is over: several writes of an editor are one edit.
_QUIET_MS = 50
#: Seconds after a fault until watching starts again.
_AGAIN_S = 1.0


async def on_edit(folder: Path, reload: Callable[[], Awaitable[None]], again_s: float = _AGAIN_S) -> None:
    """Await `reload` after every edit of code, a definition, a template or requirements below `folder`; never ends.

    A fault of the watching itself, such as a removed folder, is logged once, and watching starts again.
    """
    edits = PythonFilter(extra_extensions=(".yaml", ".yml", ".jinja", ".env", "requirements.txt"))
    watching, reloading = Steady("the watch for edits"), Steady("a reload")

    async def reload_each() -> None:
        async for _ in awatch(folder, watch_filter=edits, step=_QUIET_MS, rust_timeout=1000):
            with reloading:
                await reload()

    while True:
        with watching:
            await reload_each()
        await asyncio.sleep(again_s)
