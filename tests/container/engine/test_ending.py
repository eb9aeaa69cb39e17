from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from handrail_container.engine.asgi.ending import ending
from starlette.types import Message, Receive, Scope, Send

BODY: list[Message] = [
    {"type": "http.request", "body": b"a", "more_body": True},
    {"type": "http.request", "body": b"b", "more_body": False},
]


class Client:
    """Sends a body in two pieces, then waits; `left` makes it leave."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.sent: list[Message] = []
        self._body = list(BODY)
        self.exchange = SimpleNamespace(is_streaming=False)

    async def receive(self) -> Message:
        if self._body:
            return self._body.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def asks(self, app: Any) -> asyncio.Task[None]:
        scope: Scope = {"type": "http", "state": {"handrail.exchange": self.exchange}}

        async def run() -> None:
            await ending(app)(scope, self.receive, self.send)

        return asyncio.create_task(run())


class Engine:
    """As vLLM's routes: the work is in a task of its own, and ends only where the client is heard to leave."""

    def __init__(self) -> None:
        self.working = asyncio.Event()
        self.was_aborted = False
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for _ in BODY:
            self.body += (await receive())["body"]
        work = asyncio.create_task(self._work())
        assert (await receive())["type"] == "http.disconnect"
        work.cancel()

    async def _work(self) -> None:
        self.working.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.was_aborted = True
            raise


async def aborted(engine: Engine) -> bool:
    for _ in range(3):
        await asyncio.sleep(0)
    return engine.was_aborted


async def test_a_cancelled_request_is_aborted_in_the_engine() -> None:
    """Though its own task does not pass the cancellation on."""
    client, engine = Client(), Engine()
    asked = client.asks(engine)
    await engine.working.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await aborted(engine)
    assert engine.body == b"ab"


async def test_a_client_that_leaves_is_heard_as_without_it() -> None:
    client, engine = Client(), Engine()
    asked = client.asks(engine)
    await engine.working.wait()
    client.left.set()
    await asked
    assert await aborted(engine)


async def test_an_answer_and_an_error_pass() -> None:
    async def answers(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def raises(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("no")

    client = Client()
    await client.asks(answers)
    assert client.sent == [{"type": "http.response.start", "status": 200}]
    with pytest.raises(LookupError):
        await client.asks(raises)


@pytest.mark.parametrize("is_streaming", [True, False])
async def test_what_does_not_listen_is_cancelled(is_streaming: bool) -> None:
    """A stream at once; anything else after it had its time. What it raises then is nobody's any more."""
    client, began, ended = Client(), asyncio.Event(), []
    client.exchange.is_streaming = is_streaming

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)
            raise LookupError("in a hurry")

    asked = client.asks(deaf)
    await began.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert ended == [True]


async def test_what_goes_on_all_the_same_is_left_behind() -> None:
    """It is waited for no longer than twice its time."""
    client, began, release = Client(), asyncio.Event(), asyncio.Event()

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    asked = client.asks(stubborn)
    await began.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    release.set()


async def test_who_listens_late_hears_the_end_and_who_stops_listening_is_free() -> None:
    """vLLM cancels its listener where the answer is complete."""
    client, began, heard = Client(), asyncio.Event(), []

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in BODY:
            await receive()
        listening = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        listening.cancel()
        await asyncio.wait({listening})
        heard.append(listening.cancelled())
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            heard.append((await receive())["type"])

    client.exchange.is_streaming = True
    asked = client.asks(late)
    await began.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert heard == [True, "http.disconnect"]
