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
        over = asyncio.Event()
        ran: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        working = asyncio.ensure_future(_run(app, (scope, _until(over, receive), send), ran))
        try:
            await ran
        except asyncio.CancelledError:
            over.set()
            if not scope["state"]["exchange"].is_streaming:  # a stream listens no more
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


def _until(over: asyncio.Event, receive: Receive) -> Receive:
    """`receive`, and the message of a client that has left once it is `over`; the body is read as it comes."""
    has_body = False

    async def received() -> Message:
        nonlocal has_body
        if not has_body:
            message = await receive()
            has_body = not message.get("more_body", False)
            return message
        messages = asyncio.ensure_future(_next(receive))
        ends = asyncio.ensure_future(over.wait())
        try:
            await asyncio.wait({messages, ends}, return_when=asyncio.FIRST_COMPLETED)
            return messages.result() if messages.done() else {"type": "http.disconnect"}
        finally:
            messages.cancel()
            ends.cancel()

    return received


async def _next(receive: Receive) -> Message:
    return await receive()
