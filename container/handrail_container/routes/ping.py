"""`/ping` with the user's code in it: a timeout holds even if that code is stuck."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from handrail_container.http.envelope import Explain, Failure
from handrail_container.routes.endpoint import Endpoint

#: SageMaker waits two seconds.
LIMIT_S = 1.0
_HEED_S = 0.05

_Said = tuple[list[Message], BaseException | None]


def unhealthy(explain: Explain, *, keeps_status: bool) -> Explain:
    """Make errors at /ping a 503 with the reason; with `keeps_status`, an HTTPException keeps its status."""

    def explained(error: BaseException, request_id: str) -> Failure:
        failure = explain(error, request_id)
        return failure if keeps_status and isinstance(error, HTTPException) else failure._replace(status=503)

    return explained


def bounded(endpoint: Endpoint) -> Endpoint:
    """`endpoint` with a timeout: a slow or stuck /ping is a 503."""
    return replace(endpoint, app=BoundedPing(endpoint))


class BoundedPing:
    """Raises the exceptions of the user's code, or HTTPException on a timeout. While one call is stuck, no other is
    started."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._app = endpoint.app
        self._asked: asyncio.Task[_Said] | None = None
        self._asking: set[asyncio.Task[_Said]] = set()
        self._asked_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stuck_s = time.monotonic() - self._asked_at
        if self._asked is not None and not self._asked.done() and stuck_s > LIMIT_S:
            raise HTTPException(503, f"/ping was asked {stuck_s:.0f} s ago, and has not answered yet")
        asked, self._asked_at = asyncio.create_task(self._messages(scope, receive)), time.monotonic()
        self._asked = asked
        self._asking.add(asked)  # keeps a reference: a concurrent /ping replaces `_asked`
        asked.add_done_callback(self._asking.discard)
        try:
            messages, error = await self._answer(asked)
        finally:
            asked.cancel()  # no caller waits for it any more
        if error is not None:
            raise error
        for message in messages:
            await send(message)

    async def _answer(self, asked: asyncio.Task[_Said]) -> _Said:
        done, _ = await asyncio.wait({asked}, timeout=LIMIT_S)
        if not done:
            asked.cancel()
            await asyncio.wait({asked}, timeout=_HEED_S)  # gone before the next /ping, if it heeds cancellation
            raise HTTPException(503, f"/ping took over {LIMIT_S:g} s, with what stands around it")
        return asked.result()

    async def _messages(self, scope: Scope, receive: Receive) -> _Said:
        """The app's messages, held back so that a late answer is dropped, and its exception: a task that raises
        SystemExit or KeyboardInterrupt would end the event loop."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await self._app(scope, receive, keep)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  raised again in the request's own task
            return messages, error
        return messages, None
