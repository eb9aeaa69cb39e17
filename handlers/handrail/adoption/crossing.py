"""Lets an ASGI application on one event loop answer a request that a server has on another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail.core.hop import hop

_DISCONNECT: Message = {"type": "http.disconnect"}


def crossing(
    app: ASGIApp, find_loop: Callable[[], asyncio.AbstractEventLoop], ended: Callable[[], None] | None = None
) -> ASGIApp:
    """`app` as it runs on the loop that `find_loop` gives, for whichever loop calls it. `ended` as `hop` has it."""

    async def crossed(scope: Scope, receive: Receive, send: Send) -> None:
        loop = find_loop()
        if asyncio.get_running_loop() is loop:
            await app(scope, receive, send)
            return
        connection = _Connection(loop, receive, send)
        try:
            await hop(loop, lambda: app(scope, connection.receive, connection.send), ended=ended)
        finally:
            connection.close()

    return crossed


class _Connection:
    """A request's `receive` and `send` for `there`, the application's loop. `_home` is the server's.

    One message is received at a time, and only when it is asked for. After the last part of the body, the next message,
    which is the disconnect, is asked for at once: `Request.is_disconnected` does not wait for one.
    """

    def __init__(self, there: asyncio.AbstractEventLoop, receive: Receive, send: Send) -> None:
        self._home = asyncio.get_running_loop()
        self._there = there
        self._receive, self._send = receive, send
        self._asked: asyncio.Future[Message] | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._left: Message | None = None  # written at home, read there
        self._is_closed = False

    async def send(self, message: Message) -> None:
        """Return once the message is sent. Raises what the server's `send` raises, as when the client has left."""
        await hop(self._home, partial(self._send, message), heed_s=0)

    async def handrail_whole(self, start: Message, body: Message) -> None:
        """Both messages of a complete answer, for the price of one."""
        await hop(self._home, partial(self._whole, start, body), heed_s=0)

    async def _whole(self, start: Message, body: Message) -> None:
        whole = getattr(getattr(self._send, "__self__", None), "handrail_whole", None)
        if whole is not None:
            await whole(start, body)
            return
        await self._send(start)
        await self._send(body)

    async def receive(self) -> Message:
        """A caller that is cancelled loses no message: the next one gets it."""
        while True:
            if self._left is not None:
                return self._left
            asked = self._asked or self._ask()
            if not asked.done():
                await asyncio.wait({asked})
            if self._asked is asked:  # else another reader has taken it
                self._asked = None
                try:
                    return self._taken(asked.result())
                finally:
                    del asked  # an error in it would refer to itself by its traceback

    def _taken(self, message: Message) -> Message:
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._ask()
        return message

    def _ask(self) -> asyncio.Future[Message]:
        self._asked = asked = self._there.create_future()
        self._home.call_soon_threadsafe(self._begin_receiving, asked)
        return asked

    def _begin_receiving(self, asked: asyncio.Future[Message]) -> None:
        if self._is_closed:
            self._tell(asked, _DISCONNECT, None)
        else:
            self._receiving = self._home.create_task(self._receive_into(asked))

    async def _receive_into(self, asked: asyncio.Future[Message]) -> None:
        message: Message = _DISCONNECT
        error: BaseException | None = None
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            pass  # the request is over: what still reads is told that the client has left
        except BaseException as raised:  # noqa: BLE001  raised again where it is awaited
            error = raised
        self._tell(asked, message, error)
        del error

    def _tell(self, asked: asyncio.Future[Message], message: Message, error: BaseException | None) -> None:
        if error is None and message["type"] == "http.disconnect":
            self._left = message
        with suppress(RuntimeError):  # the application's loop has closed
            self._there.call_soon_threadsafe(_settle, asked, message, error)

    def close(self) -> None:
        self._is_closed = True
        if self._receiving is not None:
            self._receiving.cancel()


def _settle(asked: asyncio.Future[Message], message: Message, error: Any) -> None:
    if error is None:
        asked.set_result(message)
    else:
        asked.set_exception(error)
        asked.exception()  # retrieved: nobody may read on
