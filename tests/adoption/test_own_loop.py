"""A loop of its own thread: what runs there, how it is asked while it is blocked, and how it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from handrail.adoption.last_answer import last_health, last_ping
from handrail.adoption.loops import Loops
from handrail.adoption.own_loop import OwnLoop
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.handlers import driver


@pytest_asyncio.fixture
async def own() -> AsyncIterator[OwnLoop]:
    loop = OwnLoop()
    yield loop
    await loop.stop(60)


class Blocked:
    """The loop is blocked from when `until` returns, to `end`."""

    def __init__(self) -> None:
        self.began, self.may_go = threading.Event(), threading.Event()

    async def block(self) -> None:
        self.began.set()
        self.may_go.wait()

    async def until(self, loop: OwnLoop) -> None:
        loop.start().call_soon_threadsafe(lambda: asyncio.ensure_future(self.block()))
        await asyncio.to_thread(self.began.wait)

    async def end(self, loop: OwnLoop) -> None:
        self.may_go.set()
        assert await loop.responds(60)


async def test_it_has_what_is_called_on_it(own: OwnLoop) -> None:
    async def named(a: int, *, b: int) -> tuple[int, str]:
        """Its words."""
        return a + b, threading.current_thread().name

    called = own.call(named)
    assert await called(1, b=2) == (3, "script-loop")
    assert called.__doc__ == "Its words."
    assert own.home is asyncio.get_running_loop()


async def test_what_it_calls_outside_runs_on_the_servers_loop(own: OwnLoop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(threading.current_thread().name)(scope, receive, send)

    assert (await driver.send(own.app(app))).text == "script-loop"
    assert (await driver.send(own.app(own.outside(app)))).text == "MainThread"
    assert (await driver.send(own.outside(app))).text == "MainThread"
    assert (await driver.send(OwnLoop().outside(app))).text == "MainThread"


async def test_it_outlives_a_task_that_exits(own: OwnLoop, caplog: pytest.LogCaptureFixture) -> None:
    async def leave() -> None:
        raise SystemExit(3)

    async def begin() -> None:
        asyncio.get_running_loop().create_task(leave())

    await own.run(begin)
    assert await own.responds(60)
    assert "a task of the script's ended its event loop: the loop goes on" in caplog.text


async def test_it_ends_what_runs_on_it() -> None:
    own, ended = OwnLoop(), threading.Event()

    async def run() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def begin() -> None:
        running.append(asyncio.get_running_loop().create_task(run()))

    running: list[asyncio.Task[None]] = []
    await OwnLoop().stop()
    await own.run(begin)
    await own.stop(60)
    assert ended.is_set()
    await own.stop(60)
    with pytest.raises(RuntimeError, match="closed"):
        await own.run(begin)


async def test_what_it_does_at_the_end_is_left_out_while_it_is_blocked(
    own: OwnLoop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handrail.adoption.own_loop.STOP_S", 0.01)
    ran: list[str] = []

    async def end() -> None:
        ran.append(threading.current_thread().name)

    blocked = Blocked()
    await blocked.until(own)
    await own.at_end(end)()
    await own.at_end(end)()
    await own.stop()
    assert caplog.text.count("end is not called: the script blocks its event loop") == 2
    assert "the script blocks its event loop still: it is left as it is" in caplog.text
    assert ran == []
    blocked.may_go.set()


async def test_at_the_end_of_a_free_loop_all_is_called(own: OwnLoop) -> None:
    ran: list[str] = []

    async def end() -> None:
        ran.append(threading.current_thread().name)

    await own.at_end(end)()
    assert ran == ["script-loop"]


def ping_of(statuses: list[int]) -> ASGIApp:
    async def ping(scope: Scope, receive: Receive, send: Send) -> None:
        status = statuses.pop(0)
        if status == 500:
            raise HTTPException(503, "not well")
        await Response(str(status), status, {"X-Own": "1"})(scope, receive, send)

    return ping


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def patience(seconds: float) -> None:
        monkeypatch.setattr("handrail.adoption.last_answer.SOON_S", seconds)
        monkeypatch.setattr("handrail.adoption.last_answer.FIRST_S", seconds)

    patience(60)
    return patience


async def test_ping_repeats_the_last_answer_of_a_loop_that_is_blocked(
    own: OwnLoop, soon: Callable[[float], None]
) -> None:
    ping = last_ping(own, ping_of([201, 500, 202, 202]))
    assert (await driver.send(ping)).status == 201
    with pytest.raises(HTTPException, match="not well"):
        await driver.send(ping)
    blocked = Blocked()
    await blocked.until(own)
    soon(0.01)
    for _ in range(2):
        with pytest.raises(HTTPException, match="not well"):
            await driver.send(ping)
    soon(60)
    await blocked.end(own)
    assert (await driver.send(ping)).text == "202"


async def test_before_the_first_answer_a_blocked_loop_is_healthy(own: OwnLoop, soon: Callable[[float], None]) -> None:
    asked: list[bool] = []

    async def is_healthy(*, is_fresh: bool = False) -> bool:
        asked.append(is_fresh)
        return False

    ping, healthy = last_ping(own, ping_of([201])), last_health(own, is_healthy)
    blocked = Blocked()
    await blocked.until(own)
    soon(0.01)
    assert (await driver.send(ping)).status == 200
    assert await healthy()
    soon(60)
    await blocked.end(own)
    assert not await healthy(is_fresh=True)
    assert asked == [True]


async def test_a_slow_answer_of_a_free_loop_is_waited_for(own: OwnLoop, soon: Callable[[float], None]) -> None:
    soon(0.01)

    async def is_healthy(*, is_fresh: bool = False) -> bool:
        await asyncio.sleep(0.1)
        return False

    assert not await last_health(own, is_healthy)()


async def test_the_loop_of_a_request_serves_a_later_one(own: OwnLoop) -> None:
    loops, seen = Loops(own), list[Any]()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        seen.append(asyncio.get_running_loop())

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        raise AssertionError("nothing is sent")

    app = loops.app(asgi)
    for _ in range(3):
        await app({"type": "http", "state": {}, "headers": []}, receive, send)
        while not loops._idle:
            await asyncio.sleep(0.001)
    assert len(set(seen)) == 1
    await loops.stop()
