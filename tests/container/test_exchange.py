from __future__ import annotations

import asyncio
from typing import Any

import pytest
from handrail_container.envelope import Failure
from handrail_container.exchange import LEFT, Exchange
from handrail_container.failures import explain_definition
from handrail_container.settings import Settings
from handrail_container.sockets import Socket
from starlette.exceptions import HTTPException


async def nobody(*_: Any) -> Any:
    """Neither sends nor receives."""


async def test_the_first_verdict_counts() -> None:
    """Who ends it again is too late, and the task and what works for it are cancelled once."""
    exchange = Exchange({"type": "http", "path": "/", "headers": []}, nobody)
    call: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    exchange.calls.add(call)
    exchange.end(LEFT)
    assert call.cancelled()
    exchange.end(Failure(504, "too late"))
    assert exchange.verdict is LEFT
    assert exchange.task.cancelling() == 1
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    exchange.task.uncancel()


def test_what_is_no_stage_of_a_definition_is_explained_as_ours_is() -> None:
    """What the request's own reading raises, say."""
    assert explain_definition(Settings())(HTTPException(418, "a teapot"), "id")[:2] == (418, "a teapot")


@pytest.mark.parametrize("status", [403, 500])
async def test_a_handler_may_refuse_a_handshake_itself(status: int) -> None:
    """Its status is the end of the connection, in the log as well."""
    socket = Socket({"type": "websocket", "path": "/", "headers": []}, nobody, nobody)
    await socket.send({"type": "websocket.http.response.start", "status": status, "headers": []})
    assert socket.code == status


@pytest.mark.parametrize("ends", [True, False])
async def test_what_ends_with_its_client_ends_at_once(ends: bool) -> None:
    """Whatever the setting for handlers is: it has none."""
    began, exchanges = asyncio.Event(), list[Exchange]()

    async def work() -> None:
        exchanges.append(Exchange({"type": "http", "path": "/", "headers": []}, nobody, is_cancelled_by_leaving=False))
        exchanges[0].ends_with_client = ends
        began.set()
        await asyncio.sleep(60)

    working, call = asyncio.create_task(work()), asyncio.create_task(asyncio.sleep(60))
    await began.wait()
    exchanges[0].calls.add(call)
    exchanges[0].leave()
    done, _ = await asyncio.wait({working}, timeout=0.05)
    assert (bool(done), exchanges[0].verdict is LEFT) == (ends, ends)
    assert (call.cancelled(), call.cancelling()) == (True, 1)
    working.cancel()
