"""Calls of another thread's loop, and ASGI applications there, with what a client and a server may do meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from handrail.adoption.crossing import crossing
from handrail.core.hop import hop, hopped
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tests.handlers import driver
from tests.handlers.driver import WordEngine

_WHO: ContextVar[str] = ContextVar("who", default="")
_LEFT: Message = {"type": "http.disconnect"}


@pytest.fixture
def there() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def test_a_call_has_its_callers_context_and_gives_result_and_error(there: asyncio.AbstractEventLoop) -> None:
    async def told() -> tuple[str, bool]:
        return _WHO.get(), asyncio.get_running_loop() is there

    async def fail() -> None:
        raise StopIteration("here")

    _WHO.set("a client")
    assert await hop(there, told) == ("a client", True)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await hop(there, fail)
    with pytest.raises(SystemExit) as exited:
        await hop(there, lambda: _exit(3))
    assert exited.value.code == 3


async def _exit(code: int) -> None:
    raise SystemExit(code)


async def test_a_cancelled_call_is_waited_for_while_it_ends(there: asyncio.AbstractEventLoop) -> None:
    began, steps = threading.Event(), []

    async def work() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            steps.append("ended")

    calling = asyncio.create_task(hop(there, work))
    await asyncio.to_thread(began.wait)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert steps == ["ended"]


async def test_a_call_that_blocks_is_not_waited_for(there: asyncio.AbstractEventLoop) -> None:
    """Its end is told all the same; one that was cancelled before its turn never runs."""
    began, may_go, ran, ended = threading.Event(), threading.Event(), [], asyncio.Event()

    async def block() -> None:
        began.set()
        may_go.wait()

    async def run() -> None:
        ran.append(1)

    blocking = asyncio.create_task(hop(there, block, heed_s=0, ended=ended.set))
    await asyncio.to_thread(began.wait)
    waiting = asyncio.create_task(hop(there, run, heed_s=0))
    await asyncio.sleep(0)
    for task in (blocking, waiting):
        task.cancel()
    await asyncio.wait({blocking, waiting})
    assert not ended.is_set()
    may_go.set()
    await ended.wait()
    assert ran == []


async def test_a_call_that_ends_as_its_caller_is_cancelled(there: asyncio.AbstractEventLoop) -> None:
    has_ended = threading.Event()

    async def end_soon() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, loop.call_soon, has_ended.set)  # after the caller's loop was told

    calling = asyncio.create_task(hop(there, end_soon))
    await asyncio.sleep(0)
    has_ended.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


class Numbers:
    """An iterator that cannot be closed."""

    def __init__(self) -> None:
        self._next = 0

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        self._next += 1
        if self._next > 3:
            raise StopAsyncIteration
        return self._next


async def test_items_are_made_one_by_one_on_their_loop(there: asyncio.AbstractEventLoop) -> None:
    made, closed = [], []

    async def items() -> AsyncIterator[int]:
        try:
            for number in range(9):
                made.append(asyncio.get_running_loop() is there)
                yield number
        finally:
            closed.append(asyncio.get_running_loop() is there)

    taken = hopped(there, items())
    assert [await anext(taken), await anext(taken)] == [0, 1]
    await taken.aclose()
    assert (made, closed) == ([True, True], [True])
    assert [number async for number in hopped(there, Numbers())] == [1, 2, 3]


async def test_an_engine_is_called_from_another_loop(there: asyncio.AbstractEventLoop) -> None:
    engine = WordEngine()
    engine.home = asyncio.get_running_loop()
    ran: list[bool] = []
    create = engine.create

    async def noted(*given: Any) -> Any:
        ran.append(asyncio.get_running_loop() is engine.home)
        return await create(*given)

    engine.create = noted  # type: ignore[method-assign]  # its own, and where it ran

    async def ask() -> list[Any]:
        whole = await engine.completions(None, {"prompt": "a"})
        streamed = await engine.completions(None, {"prompt": "b c", "stream": True})
        return [whole, [event async for event in streamed.body_iterator]]

    expected = [{"text": "a"}, [b"data: b\n\n", b"data: c\n\n"]]
    assert await hop(there, ask) == expected
    assert await ask() == expected
    assert ran == [True] * 4


async def test_an_application_of_this_loop_is_called_as_it_is() -> None:
    loop = asyncio.get_running_loop()
    assert (await driver.send(crossing(Response("here"), lambda: loop))).text == "here"


async def test_a_complete_answer_is_sent_at_once_also_where_the_server_cannot(there: asyncio.AbstractEventLoop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        whole = getattr(send, "__self__").handrail_whole  # noqa: B009  of a bound method
        start = {"type": "http.response.start", "status": 201, "headers": []}
        await whole(start, {"type": "http.response.body", "body": b"all"})

    answer = await driver.send(crossing(app, lambda: there))
    assert (answer.status, answer.text) == (201, "all")
    server = Server()
    await crossing(app, lambda: there)(driver.scope(), _left, server.send)
    assert server.sent == [201, b"all"]


class Server:
    """One that sends a complete answer at once."""

    def __init__(self) -> None:
        self.sent: list[object] = []

    async def send(self, message: Message) -> None:
        raise AssertionError("not at once")

    async def handrail_whole(self, start: Message, body: Message) -> None:
        self.sent += [start["status"], body["body"]]


async def _left() -> Message:
    return _LEFT


async def test_many_readers_get_each_message_once(there: asyncio.AbstractEventLoop) -> None:
    """A reader that was cancelled loses none; who reads on after the end is told that the client has left."""
    parts = [{"type": "http.request", "body": body, "more_body": True} for body in (b"1", b"2", b"3")]
    late: list[Receive] = []

    async def receive() -> Message:
        await asyncio.sleep(0)
        return parts.pop(0) if parts else _LEFT

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        cancelled = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.sleep(0.05)  # its message comes
        read = await asyncio.gather(receive(), receive(), receive())
        assert sorted(message["body"] for message in read) == [b"1", b"2", b"3"]
        late.append(receive)

    await crossing(app, lambda: there)(driver.scope(), receive, _nowhere)
    assert await hop(there, late[0]) == _LEFT


async def _nowhere(message: Message) -> None: ...


async def test_what_a_receive_raises_is_raised_where_it_is_awaited(there: asyncio.AbstractEventLoop) -> None:
    async def receive() -> Message:
        raise ValueError("too large")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(ValueError, match="too large"):
            await Request(scope, receive).body()

    await crossing(app, lambda: there)(driver.scope(), receive, _nowhere)


async def test_a_reader_of_a_request_that_is_over_is_told_so(there: asyncio.AbstractEventLoop) -> None:
    """The server's `receive` is cancelled with the request."""
    told: asyncio.Queue[Message] = asyncio.Queue()
    home = asyncio.get_running_loop()

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def read() -> None:
            message = await receive()
            home.call_soon_threadsafe(told.put_nowait, message)

        scope["reading"] = asyncio.create_task(read())
        await asyncio.sleep(0.05)

    await crossing(app, lambda: there)(driver.scope(), receive, _nowhere)
    assert await told.get() == _LEFT
