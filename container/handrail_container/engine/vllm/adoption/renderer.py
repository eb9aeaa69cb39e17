"""The engine's renderer for the threads of a script, where the model takes images, audio or video.

The cache of such inputs counts on their order, which is that of the event loop. Text may be rendered in any thread.
"""

from __future__ import annotations

import asyncio
from typing import Any


class AnyThreadRenderer:
    def __init__(self, renderer: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._renderer, self._loop = renderer, loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._renderer, name)

    def render_cmpl(self, *given: Any, **named: Any) -> Any:
        rendering = self._renderer.render_cmpl_async(*given, **named)
        return asyncio.run_coroutine_threadsafe(rendering, self._loop).result()

    def render_chat(self, *given: Any, **named: Any) -> Any:
        rendering = self._renderer.render_chat_async(*given, **named)
        return asyncio.run_coroutine_threadsafe(rendering, self._loop).result()
