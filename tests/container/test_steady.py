"""A fault is planted in one turn of each watcher: it goes on, and the log has the fault once."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from handrail_container.gate.admission import Lanes
from handrail_container.gate.gate import Gate
from handrail_container.gate.lifecycle import Lifecycle
from handrail_container.http.envelope import Failure
from handrail_container.process import steady as module
from handrail_container.process.steady import Steady
from handrail_container.server import guard as guarding
from handrail_container.server import watch
from handrail_container.server.guard import ListenerHandle, Watchdog
from handrail_container.server.listener import Listener, bind
from handrail_container.server.ping_stand_in import StandIn
from handrail_container.server.protocols.connection import Connection
from handrail_container.settings.fields import Settings

from tests.servers import eventually


class Fatal(Exception):
    """Ends what it is raised in."""


def fault() -> None:
    raise ZeroDivisionError("planted")


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


def test_the_same_fault_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Another is another line, with its traceback."""
    steady = Steady("the watcher")
    for _ in range(3):
        with steady:
            fault()
        with steady:
            raise LookupError("another")
    assert len(faults(caplog)) == 2
    assert "a bug in Handrail: the watcher failed in one turn" in faults(caplog)[0]
    assert "ZeroDivisionError: planted" in caplog.text


@pytest.mark.parametrize("error", [Fatal(), asyncio.CancelledError(), KeyboardInterrupt()])
def test_what_is_to_end_it_ends_it(error: BaseException) -> None:
    """And a turn that goes well is none of its business."""
    steady = Steady("the watcher", Fatal)
    with steady:
        pass
    with pytest.raises(type(error)), steady:
        raise error


def test_ever_new_faults_do_not_fill_the_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KNOWN", 3)
    steady = Steady("the watcher")
    for number in range(9):
        with steady:
            raise type(f"Fault{number}", (Exception,), {})
    assert len(faults(caplog)) == 3


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with bind("127.0.0.1", 0) as listening:
        yield listening


def gate() -> Gate:
    return Gate(Lifecycle(), Lanes(Settings()), max_body_bytes=1000, access_log="off")


async def nobody(connection: socket.socket) -> None:
    connection.close()


def asked(port: int, what: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(what)
        return b"".join(iter(lambda: client.recv(1000), b""))


async def test_the_guard_goes_on(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop is blocked by this test; the guard's first turns fail."""
    turns, serve = iter(range(100)), StandIn.serve

    def served(standing: StandIn, for_s: float) -> None:
        if next(turns) < 3:
            fault()
        serve(standing, for_s)

    monkeypatch.setattr(StandIn, "serve", served)
    guard = Watchdog(gate(), ListenerHandle(listening, nobody), 60)
    guard.start()
    assert asked(listening.getsockname()[1], b"GET /ping HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 503 ")
    guard.stop()
    assert len(faults(caplog)) == 1


async def test_a_guard_that_fails_in_every_turn_still_ends_the_process(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody else could do while the loop is blocked comes before all else in a turn, the log included."""
    ended: list[int] = []
    monkeypatch.setattr(StandIn, "serve", lambda standing, for_s: fault())
    monkeypatch.setattr(guarding, "place_of", lambda thread: fault())
    monkeypatch.setattr(guarding.children, "exit_with", ended.append)
    guard = Watchdog(gate(), ListenerHandle(listening, nobody), 60)
    guard.ends_at = 0
    guard.start()
    eventually(lambda: ended, "the end")
    guard.stop()
    assert set(ended) == {0}


class Held:
    """As much of a request as the sweep looks at."""

    verdict: Failure | None = None
    has_lane = True

    def __init__(self, *, is_faulty: bool) -> None:
        self._is_faulty = is_faulty
        self.looked_at = 0

    def is_to_be_left(self, now: float) -> bool:
        self.looked_at += 1
        if self._is_faulty:
            fault()
        return False

    def is_overdue(self, now: float) -> bool:
        return False


async def test_the_sweep_of_requests_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """With the other requests of that turn, and in the next one with all."""
    swept, held = gate(), [Held(is_faulty=True), Held(is_faulty=False), Held(is_faulty=True)]
    swept._exchanges = set(held)  # type: ignore[arg-type]
    sweeping = asyncio.create_task(swept.sweep())
    while min(one.looked_at for one in held) < 3:
        await asyncio.sleep(0.01)
    sweeping.cancel()
    assert len(faults(caplog)) == 1


async def test_the_look_at_connections_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """With the other connections of that turn."""

    class Taken(asyncio.Transport):
        def get_write_buffer_size(self) -> int:
            return 0

    class Looked(Connection):
        def __init__(self) -> None:
            self.looks, self.transport = 0, Taken()

        def check_timeouts(self, now: float) -> None:
            self.looks += 1
            fault()

    listener, connections = Listener(gate()), {Looked(), Looked()}
    listener.server_state.connections = connections  # type: ignore[assignment]
    for counter in (0, 10, 20):
        assert await listener.on_tick(counter) is False
    assert [one.looks for one in connections] == [3, 3]
    assert len(faults(caplog)) == 1


async def test_the_watch_for_edits_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a reload fails, and where the system's watching does."""
    reloads = 0

    async def edits(folder: Path, **_: Any) -> AsyncIterator[None]:
        yield
        yield
        raise OSError("the folder has gone")

    async def reload() -> None:
        nonlocal reloads
        reloads += 1
        fault()

    monkeypatch.setattr(watch, "awatch", edits)
    watching = asyncio.create_task(watch.on_edit(tmp_path, reload, again_s=0))
    while reloads < 6:
        await asyncio.sleep(0)
    watching.cancel()
    assert len(faults(caplog)) == 2
