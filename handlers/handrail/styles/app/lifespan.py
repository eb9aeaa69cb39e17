"""The lifespan of an application: its start and its end, in one task, by the protocol of ASGI."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from starlette.types import ASGIApp, Message

from handrail.core.tracebacks import message_of

logger = logging.getLogger("handrail")


class Lifespan:
    """`state` is what the lifespan yielded: each request's state has it."""

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._has_begun = asyncio.Event()
        self._is_ending = asyncio.Event()
        self._has_failed = self._is_told_of_start = False
        self._error: BaseException | None = None

    async def start(self) -> None:
        """Raises what the application raised at its start."""
        self._task = task = asyncio.create_task(self._run(), name="lifespan")
        begun = asyncio.create_task(self._has_begun.wait())
        try:
            await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            begun.cancel()
        if self._has_failed and self._error is not None:
            raise self._error
        if not self._has_begun.is_set():
            self._say_that_there_is_none()

    async def stop(self) -> None:
        """Raises what the application raised at its end."""
        if self._task is None or self._task.done():
            return
        self._is_ending.set()
        try:
            await self._task
        finally:
            self._task.cancel()  # it takes too long, where this was cancelled
        if self._error is not None:
            raise self._error

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  raised again where it is awaited: SystemExit would end the loop
            self._error = error

    async def _receive(self) -> Message:
        if not self._is_told_of_start:
            self._is_told_of_start = True
            return {"type": "lifespan.startup"}
        await self._is_ending.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            self._has_begun.set()
        elif message["type"] == "lifespan.startup.failed":
            self._has_failed = True

    def _say_that_there_is_none(self) -> None:
        """A middleware that knows only requests ends the lifespan before the application sees it."""
        error = self._error
        why = f"raised {type(error).__name__}: {message_of(error)}" if error else "did not pass it on"
        logger.warning("the app's lifespan is not run: a middleware of its own %s", why)
