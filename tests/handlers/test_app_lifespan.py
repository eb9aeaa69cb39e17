"""The lifespan of an application: every way in which it may begin and end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from handrail.styles.app.lifespan import Lifespan
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send


def app(before: Any = lambda: None, after: Any = lambda: None) -> Starlette:
    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        before()
        yield {"a": 1}
        after()

    return Starlette(lifespan=life)


def raising(error: BaseException) -> Any:
    def throw() -> None:
        raise error

    return throw


async def test_it_begins_and_ends_once() -> None:
    ended: list[str] = []
    lifespan = Lifespan(app(after=lambda: ended.append("ended")))
    await lifespan.stop()
    await lifespan.start()
    assert (lifespan.state, ended) == ({"a": 1}, [])
    await lifespan.stop()
    await lifespan.stop()
    assert ended == ["ended"]


@pytest.mark.parametrize("error", [ValueError("no index"), SystemExit("no index")])
async def test_what_it_raises_is_raised(error: BaseException) -> None:
    with pytest.raises(type(error), match="no index"):
        await Lifespan(app(before=raising(error))).start()
    lifespan = Lifespan(app(after=raising(error)))
    await lifespan.start()
    with pytest.raises(type(error), match="no index"):
        await lifespan.stop()


def for_requests_alone(inner: ASGIApp) -> ASGIApp:
    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await inner(scope, receive, send)

    return middleware


async def by_method(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["method"]


@pytest.mark.parametrize(
    ("unaware", "why"), [(for_requests_alone(app()), "did not pass it on"), (by_method, "raised KeyError: 'method'")]
)
async def test_a_middleware_that_does_not_know_it_is_told(
    unaware: ASGIApp, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "handrail")
    lifespan = Lifespan(unaware)
    await lifespan.start()
    await lifespan.stop()
    assert why in caplog.text


async def test_a_stop_of_the_server_ends_a_start_and_an_end_that_take_too_long() -> None:
    async def forever(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if (await receive())["type"] == "lifespan.startup":
                await begun(send)
            await receive()
            await asyncio.Event().wait()
        finally:
            ends.append(scope["type"])

    async def begun(send: Send) -> None:
        await (send({"type": "lifespan.startup.complete"}) if is_quick else asyncio.Event().wait())

    ends: list[str] = []
    is_quick = False
    starting = asyncio.create_task(Lifespan(forever).start())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert ends == ["lifespan"]
    is_quick = True
    lifespan = Lifespan(forever)
    await lifespan.start()
    ending = asyncio.create_task(lifespan.stop())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert ends == ["lifespan"] * 2
