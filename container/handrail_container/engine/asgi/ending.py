"""Turns task cancellation into an ASGI `http.disconnect`, the only signal that vLLM's routes react to.

vLLM's routes work in a task of their own, which continues when the request's task is merely cancelled.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Seconds to wait for the engine to abort after the disconnect. It needs one or two turns of the event loop.
_ABORT_S = 0.5


def ending(app: ASGIApp) -> ASGIApp:
    """`app`, wrapped so that cancelling a request also ends it inside the engine."""

    async def ended(scope: Scope, receive: Receive, send: Send) -> None:
        receiver = _ReceiveWithDisconnect(receive)
        ran: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        working = asyncio.ensure_future(_run(app, (scope, receiver, send), ran))
        try:
            await ran
        except asyncio.CancelledError:
            receiver.disconnect()
            if not scope["state"]["handrail.exchange"].is_streaming:  # a stream no longer calls receive
                await asyncio.wait({working}, timeout=_ABORT_S)
            working.cancel()
            done, _ = await asyncio.wait({working}, timeout=_ABORT_S)
            for task in done:
                _ = task.cancelled() or task.exception()  # mark it as retrieved: no client is left to report it to
            raise
        working.result()

    return ended


async def _run(app: ASGIApp, given: tuple[Scope, Receive, Send], ran: asyncio.Future[None]) -> None:
    """Run `app` and resolve `ran` at its end. Awaiting the task itself would take one more turn of the event loop, in
    which the client's next request could find this one's slot still occupied."""
    try:
        await app(*given)
    finally:
        if not ran.done():
            ran.set_result(None)


class _ReceiveWithDisconnect:
    """`receive`, which returns `http.disconnect` after `disconnect` was called. The body is read unchanged."""

    __slots__ = ("_has_body", "_is_over", "_listening", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_body = self._is_over = False
        self._listening: asyncio.Task[Message] | None = None

    async def __call__(self) -> Message:
        if not self._has_body:
            message = await self._receive()
            self._has_body = not message.get("more_body", False)
            return message
        if not self._is_over:
            self._listening = asyncio.create_task(self._next())
            try:
                return await self._listening
            except asyncio.CancelledError:
                if not self._is_over:  # the caller itself was cancelled
                    raise
        return {"type": "http.disconnect"}

    def disconnect(self) -> None:
        self._is_over = True
        if self._listening is not None:
            self._listening.cancel()

    async def _next(self) -> Message:
        return await self._receive()
