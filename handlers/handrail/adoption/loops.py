"""Event loops for handlers that share nothing: each request has one for itself, so that many may block at a time."""

from __future__ import annotations

import asyncio

from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail.adoption.crossing import crossing
from handrail.adoption.own_loop import OwnLoop


class Loops:
    """As many loops as the server's thread pool may have threads. WebSockets run on `shared`, one loop for all.

    A request that was cancelled keeps its loop for as long as it blocks it.
    """

    def __init__(self, shared: OwnLoop) -> None:
        self._shared = shared
        self._all: list[OwnLoop] = []
        self._idle: list[OwnLoop] = []
        self._places: asyncio.Semaphore | None = None

    def app(self, asgi: ASGIApp) -> ASGIApp:
        """`asgi` as each request to it runs on a loop of its own."""
        on_shared = self._shared.app(asgi)

        async def crossed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await on_shared(scope, receive, send)
                return
            if self._places is None:
                self._places = asyncio.Semaphore(int(to_thread.current_default_thread_limiter().total_tokens))
            places = self._places
            await places.acquire()
            loop = self._taken()

            def ended() -> None:
                self._idle.append(loop)
                places.release()

            await crossing(asgi, loop.start, ended)(scope, receive, send)

        return crossed

    async def stop(self) -> None:
        """End all loops; those that are blocked are left as they are."""
        await asyncio.gather(*(loop.stop() for loop in self._all))

    def _taken(self) -> OwnLoop:
        if not self._idle:
            self._idle.append(OwnLoop("script-loop-of-a-request"))
            self._all.extend(self._idle)
        return self._idle.pop()
