"""Comments in a silent stream of server-sent events, so that nobody on the way takes it for dead.

SageMaker ends a stream that says nothing for a minute, and proxies do so earlier. Clients skip comments.
"""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COMMENT: Message = {"type": "http.response.body", "body": b": keep-alive\n\n", "more_body": True}
_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


def keeping_alive(app: ASGIApp, silence_s: float) -> ASGIApp:
    """`app`, whose streams of events get a comment after each `silence_s` seconds without a piece.

    A comment is a piece too: after the first the request has the time of a stream.
    """

    async def kept(scope: Scope, receive: Receive, send: Send) -> None:
        keeper = _Keeper(send, silence_s)
        try:
            await app(scope, receive, keeper.send)
        finally:
            await keeper.stop()

    return kept


class _Keeper:
    """`send` of one answer. No comment comes within an event, whose pieces may end anywhere, nor after the last one."""

    def __init__(self, send: Send, silence_s: float) -> None:
        self._send = send
        self._silence_s = silence_s
        self._turn = asyncio.Lock()
        self._sent_at = 0.0
        self._is_between = True
        self._keeping: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> None:
        async with self._turn:
            await self._send(message)
            self._sent_at = time.monotonic()
        if message["type"] == "http.response.start":
            kind = Headers(raw=message.get("headers", [])).get("content-type", "")
            if message["status"] < 400 and kind.startswith("text/event-stream"):
                self._keeping = asyncio.create_task(self._keep())
        elif not message.get("more_body", False):
            await self.stop()
        elif body := message.get("body"):
            self._is_between = bytes(body).endswith(_ENDS)

    async def stop(self) -> None:
        if self._keeping is None:
            return
        keeping, self._keeping = self._keeping, None
        keeping.cancel()
        await asyncio.wait({keeping})
        _ = keeping.cancelled() or keeping.exception()  # of a client that left, whom the application hears of itself

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._sent_at + self._silence_s - time.monotonic())
            async with self._turn:
                if time.monotonic() - self._sent_at < self._silence_s:
                    continue
                if self._is_between:
                    await self._send(_COMMENT)
                self._sent_at = time.monotonic()
