"""An engine's application is told that a request is over in the way it listens for: that the client has left.

vLLM's routes work in a task of their own, which goes on where the request's task is merely cancelled.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: From the message to the engine's abort is a turn or two of the loop.
_HEED_S = 0.5


def ending(app: ASGIApp) -> ASGIApp:
    """`app`, with a cancelled request ended inside of it as well."""

    async def ended(scope: Scope, receive: Receive, send: Send) -> None:
        ears = _Ears(receive)
        ran: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        working = asyncio.ensure_future(_run(app, (scope, ears, send), ran))
        try:
            await ran
        except asyncio.CancelledError:
            ears.hear_the_end()
            if not scope["state"]["handrail.exchange"].is_streaming:  # a stream listens no more
                await asyncio.wait({working}, timeout=_HEED_S)
            working.cancel()
            done, _ = await asyncio.wait({working}, timeout=_HEED_S)
            for task in done:
                _ = task.cancelled() or task.exception()  # nobody is left to be told
            raise
        working.result()

    return ended


async def _run(app: ASGIApp, given: tuple[Scope, Receive, Send], ran: asyncio.Future[None]) -> None:
    """To wait for the task itself takes a turn of the loop longer, in which the client may ask for more already, and
    find its own place taken."""
    try:
        await app(*given)
    finally:
        if not ran.done():
            ran.set_result(None)


class _Ears:
    """`receive`, and the message of a client that has left once that is to be heard; the body is read as it comes."""

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
                if not self._is_over:  # it is whoever listens that was cancelled
                    raise
        return {"type": "http.disconnect"}

    def hear_the_end(self) -> None:
        self._is_over = True
        if self._listening is not None:
            self._listening.cancel()

    async def _next(self) -> Message:
        return await self._receive()
