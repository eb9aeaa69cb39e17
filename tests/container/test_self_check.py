"""Uvicorn is as our connections know it, or serves with its own."""

from __future__ import annotations

import asyncio
import logging
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from handrail_container.server import listener
from handrail_container.server.protocols import reading, self_check
from handrail_container.server.protocols.connection import Connection
from handrail_container.server.protocols.http import LimitedProtocol
from handrail_container.server.protocols.self_check import TESTED, protocol_class
from handrail_container.server.protocols.timeouts import Timeouts
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.container.test_protocol import PING, running


def test_this_uvicorn_is_as_our_connections_know_it(caplog: pytest.LogCaptureFixture) -> None:
    assert protocol_class.__wrapped__() is Connection
    assert not caplog.records


def without_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(HttpToolsProtocol, "_start_asgi_task")


def with_another_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpToolsProtocol, "on_message_begin", lambda self, stream: None)


def with_its_own_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where uvicorn looks for the class under another name."""
    monkeypatch.setattr(reading, "_complete_head", HttpToolsProtocol.on_headers_complete)


def that_answers_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LimitedProtocol, "on_body", lambda self, body: None)


def that_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpToolsProtocol, "__init__", lambda self, config: None)


def that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "handrail_container.server.protocols.connection", None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_a_method, "it answered b'HTTP/1.1 400"),
        (with_another_signature, "it answered b'HTTP/1.1 400"),
        (with_its_own_cycle, "it answered b'HTTP/1.1"),
        (that_answers_otherwise, "it answered b'HTTP/1.1"),
        (that_fails_at_once, "TypeError: "),
        (that_cannot_be_imported, "handrail_container.server.protocols.connection"),
    ],
)
def test_another_uvicorn_serves_with_its_own_protocol(
    change: Any, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says so, names what is not as it was, and what to install."""
    change(monkeypatch)
    assert protocol_class.__wrapped__() is HttpToolsProtocol
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said in line
    assert TESTED in line


async def test_requests_are_answered_by_uvicorn_s_own_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the listener's looks at what is open go on, and its stop ends the connection."""
    monkeypatch.setattr(listener, "protocol_class", lambda: HttpToolsProtocol)
    async with running(Timeouts(check_ticks=1)) as run, run.client() as client:
        for _ in range(2):
            await client.send(PING)
            assert (await client.answer())[0] == 200
            await run.listener.on_tick(0)
        run.listener.should_exit = True
        assert await client.rest() == b""


def test_a_second_uvicorn_in_the_process_is_the_stock_one() -> None:
    listener.Listener(lambda scope, receive, send: asyncio.sleep(0))
    assert httptools_impl.RequestResponseCycle.__module__ == "uvicorn.protocols.http.httptools_impl"


def test_the_bounds_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(self_check.__file__).parents[4] / "pyproject.toml").read_text())
    assert TESTED in project["project"]["dependencies"]
