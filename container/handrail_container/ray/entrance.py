"""ASGI entry point of a replica: turns Ray Serve's cancellation of a call into a client's disconnect."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ReplicaApp:
    """Runs `gate` in a task per request, which gets a disconnect in the same way as from our own listener."""

    def __init__(self, gate: ASGIApp) -> None:
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}  # a stream need not listen for a disconnect
        client = Client(scope["type"], receive)
        answering = asyncio.ensure_future(self._gate(scope, client.receive, send))
        try:
            await asyncio.shield(answering)
        except asyncio.CancelledError:
            if not answering.done():
                client.leave()
                exchange = scope.get("state", {}).get("handrail.exchange")
                (exchange.leave if exchange else answering.cancel)()
                await asyncio.wait([answering])
            raise


class Client:
    """The messages from a client, and its disconnect."""

    def __init__(self, kind: str, receive: Receive) -> None:
        self._farewell: Message = {"type": f"{kind}.disconnect"}
        self._receive = receive
        self._left: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def leave(self) -> None:
        self._left.set_result(None)

    async def receive(self) -> Message:
        """The next message; a disconnect message once the client has left."""
        if self._left.done():
            return self._farewell
        receiving = asyncio.ensure_future(_next(self._receive))
        try:
            await asyncio.wait((receiving, self._left), return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else self._farewell
        finally:
            receiving.cancel()


async def _next(receive: Receive) -> Message:
    return await receive()


async def _lifespan(receive: Receive, send: Send) -> None:
    """Answer Serve's lifespan messages. The replica starts before the lifespan and ends after it."""
    for moment in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{moment}.complete"})
