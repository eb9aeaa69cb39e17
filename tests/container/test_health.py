"""Handlers in threads that never end, and an engine that is looked at: what `/ping` and the log say."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from anyio import to_thread
from handrail.core.threads import run_in_threadpool, stuck
from handrail_container.engine.echo.backend import EchoBackend
from handrail_container.engine.echo.client import Pace
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.process.exits import EngineDeadError
from handrail_container.server import composition
from handrail_container.server.health import HealthWatch
from handrail_container.settings.fields import Settings

from tests.conftest import Launch
from tests.servers import PATIENCE_S, SCRIPTS, eventually

SCRIPT = SCRIPTS / "waits_for_ever.py"


class Looked(EchoBackend):
    """An engine whose health is a bug of ours, and then death."""

    def __init__(self) -> None:
        super().__init__(Pace(), "echo")
        self.looks = 0

    async def check_health(self) -> None:
        self.looks += 1
        if self.looks < 4:
            raise ZeroDivisionError("planted")
        raise EngineDeadError("it is dead")


class Watched:
    """Threads for two calls at once, held by calls that nobody awaits any more."""

    def __init__(self) -> None:
        to_thread.current_default_thread_limiter().total_tokens = 2
        lifecycle = Lifecycle()
        for state in (State.LOADING, State.WARMING, State.READY):
            lifecycle.move(state, "")
        self.gate = composition.create_gate(Settings(), lifecycle)
        self.backend = Looked()
        self.health = HealthWatch(self.backend, self.gate, stall_s=0, interval_s=0.01)
        self.release = threading.Event()

    def hang(self) -> None:
        assert self.release.wait(PATIENCE_S)

    async def give_up(self, calls: int) -> None:
        """That many, of which each had begun."""
        for _ in range(calls):
            begun = asyncio.Event()
            loop = asyncio.get_running_loop()

            def hold(loop: asyncio.AbstractEventLoop = loop, begun: asyncio.Event = begun) -> None:
                loop.call_soon_threadsafe(begun.set)
                self.hang()

            call = asyncio.create_task(run_in_threadpool(hold))
            await begun.wait()
            call.cancel()
            await asyncio.wait({call})


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    watched = Watched()
    yield watched
    watched.release.set()


async def test_the_watch_ends_with_the_engine_and_not_with_a_fault_of_its_own(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EngineDeadError):
        await watched.health.watch()
    assert watched.backend.looks == 4
    assert caplog.text.count("the watch over the engine failed in one turn") == 1


async def test_threads_that_are_all_held_are_a_stall(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """Once, with the lines where they stand; some that are held are none, and it is over when one comes back."""
    caplog.set_level(logging.WARNING, "handrail")
    assert stuck() is None
    await watched.give_up(6)
    watched.health.check_threads()
    assert (watched.gate.stalled, caplog.text) == (None, "")
    await watched.give_up(2)
    for _ in range(3):
        watched.health.check_threads()
    assert watched.gate.stalled is not None
    assert (watched.gate.stalled.status, watched.gate.stalled.kind) == (503, "stalled")
    (said,) = [record.getMessage() for record in caplog.records]
    assert "8 calls that were given up go on in theirs" in said
    assert "test_health.py:" in said
    assert re.search(r"hang\) \([1-8] times\)", said)  # some may be on their way there
    watched.release.set()
    while stuck() is not None:
        await asyncio.sleep(0.01)
    watched.health.check_threads()
    assert watched.gate.stalled is None
    assert "there are threads for `def` handlers again" in caplog.text
    assert await run_in_threadpool(lambda: 1) == 1


async def test_before_the_stall_s_time_it_is_none(watched: Watched) -> None:
    await watched.give_up(8)
    health = HealthWatch(watched.backend, watched.gate, stall_s=600)
    health.check_threads()
    assert watched.gate.stalled is None


def test_ping_says_that_handlers_hang(launch: Launch, tmp_path: Path) -> None:
    """After HANDRAIL_STALL_S; the log has the line, and it is well again once they are over."""
    given = {"CUSTOM_SCRIPT_FILENAME": SCRIPT.name, "HANDRAIL_INVOCATION_TIMEOUT_S": "1", "HANDRAIL_STALL_S": "1"}
    served = launch(SCRIPTS, **given).ready()
    release = tmp_path / "release"

    async def ask() -> set[int]:
        limits = httpx.Limits(max_connections=400)
        async with httpx.AsyncClient(base_url=served.url, timeout=60, limits=limits, verify=False) as http:
            asked = [http.post("/invocations", json={"until": str(release)}) for _ in range(170)]
            return {answer.status_code for answer in await asyncio.gather(*asked)}

    def is_stuck() -> bool:
        assert asyncio.run(ask()) <= {408, 504}  # of a client that is late with its body the deadline is as short
        return "no thread is left for `def` handlers" in served.stderr

    eventually(is_stuck, "all threads to be held")
    eventually(lambda: served.http.get("/ping").status_code == 503, "the stall")
    error = served.http.get("/ping").json()["error"]
    assert error["type"] == "stalled"
    assert "no `def` handler has ended for" in error["message"]
    (line,) = [n for n, text in enumerate(SCRIPT.read_text().splitlines(), 1) if text.endswith("# the line that waits")]
    assert f"{SCRIPT}:{line} (wait) (" in served.stderr
    release.touch()
    eventually(lambda: served.http.get("/ping").status_code == 200, "it to be well")
    assert served.http.post("/invocations", json={"until": str(release)}).status_code == 200
