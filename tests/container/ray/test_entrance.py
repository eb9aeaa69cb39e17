"""The gate in the hands of a server that cancels a call where our listener tells of a client that left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from handrail_container.ray.entrance import Client, ReplicaApp
from starlette.types import Message, Receive, Scope, Send


def scope(kind: str = "http") -> dict[str, Any]:
    return {"type": kind, "path": "/", "headers": []}


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def nowhere(message: Message) -> None:
    pass


async def cancelled(entrance: ReplicaApp, given: dict[str, Any]) -> None:
    call = asyncio.ensure_future(_call(entrance, given))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def _call(entrance: ReplicaApp, given: dict[str, Any]) -> None:
    await entrance(given, never, nowhere)


async def test_a_call_is_answered() -> None:
    sent = []

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        await send(await receive())

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await ReplicaApp(gate)(scope(), receive, send)
    assert sent == [{"type": "http.request"}]


async def test_a_cancelled_call_is_a_client_that_left() -> None:
    """The gate hears of it by the exchange, and ends by itself."""
    said = []

    class Exchange:
        def leave(self) -> None:
            said.append("left")

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"handrail.exchange": Exchange()}
        said.append((await receive())["type"])

    await cancelled(ReplicaApp(gate), scope())
    assert said == ["left", "http.disconnect"]


async def test_what_has_no_exchange_is_cancelled() -> None:
    said = []

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            said.append("cancelled")
            raise

    await cancelled(ReplicaApp(gate), scope("websocket"))
    assert said == ["cancelled"]


async def test_a_handlers_own_cancellation_is_passed_on() -> None:
    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await ReplicaApp(gate)(scope(), never, nowhere)


async def test_who_has_left_stays_gone() -> None:
    client = Client("websocket", never)
    client.leave()
    assert await client.receive() == {"type": "websocket.disconnect"}


async def test_there_is_a_lifespan() -> None:
    said = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        said.append(message["type"])

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    await ReplicaApp(gate)(scope("lifespan"), receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
