"""The engine starts once: when the script builds one, or when its turn comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from handrail_container.process.exits import EngineStartError
from handrail_container.program.adoption.record import Adoption, KnownArguments
from handrail_container.server import engine_start
from handrail_container.server.engine_start import EngineStart
from handrail_container.settings import environment

KNOWN = KnownArguments(["model"], has_gpu=False)


class Started:
    """An engine whose start is seen, held up, and made to fail."""

    def __init__(self) -> None:
        self.count = 0
        self.was_cancelled = False
        self.goes_on = asyncio.Event()
        self.error: Exception | None = None
        self.adoption = Adoption(environment.read(), asyncio.get_running_loop())
        self.engine = EngineStart(self.adoption, self.start)

    async def start(self) -> None:
        self.count += 1
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        if self.error is not None:
            raise self.error

    def build(self) -> None:
        self.adoption.record("LLM", "model.py:3", {"model": "org/model"}, KNOWN)


async def test_without_adoption_a_step_is_only_awaited() -> None:
    engine = EngineStart(None, _nothing)
    assert await engine.beside(_gives(3)) == 3
    await engine.done()


async def test_it_starts_beside_the_step_that_builds_it() -> None:
    started = Started()

    async def step() -> str:
        await asyncio.to_thread(started.build)
        while not started.count:
            await asyncio.sleep(0)
        started.goes_on.set()
        return "loaded"

    assert await started.engine.beside(step()) == "loaded"
    await started.engine.done()
    assert started.count == 1


async def test_a_step_that_builds_nothing_starts_nothing() -> None:
    started = Started()
    assert await started.engine.beside(_gives(1)) == 1
    assert started.count == 0
    started.goes_on.set()
    await started.engine.done()
    assert started.count == 1


async def test_a_step_that_fails_ends_the_start() -> None:
    started = Started()

    async def step() -> None:
        started.build()
        while not started.count:
            await asyncio.sleep(0)
        raise LookupError("of the script")

    with pytest.raises(LookupError, match="of the script"):
        await started.engine.beside(step())
    assert started.was_cancelled


async def test_a_start_that_fails_comes_first() -> None:
    """The step fails by it, and is told why."""
    started = Started()
    started.error = EngineStartError("there is no memory")
    started.goes_on.set()

    async def step() -> None:
        started.build()
        await started.adoption.arrival.awaited()

    with pytest.raises(EngineStartError) as failed:
        await started.engine.beside(step())
    assert failed.value.problems == (
        "there is no memory",
        "model.py:3 builds this engine; HANDRAIL_ADOPT_DROP leaves out arguments of it",
    )
    with pytest.raises(RuntimeError, match="the engine did not start: there is no memory"):
        started.adoption.arrival.wait()


async def test_a_step_that_does_not_heed_it_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_start, "_PATIENCE_S", 0.01)
    started = Started()
    started.error = LookupError("of vLLM")
    started.goes_on.set()

    async def step() -> None:
        started.build()
        await asyncio.Event().wait()

    with pytest.raises(LookupError, match="of vLLM"):
        await started.engine.beside(step())


@pytest.mark.parametrize("wait", [lambda s: s.engine.beside(_never(s)), lambda s: s.engine.done()])
async def test_a_cancelled_wait_ends_the_start(wait: Callable[[Started], Any]) -> None:
    started = Started()
    waiting = asyncio.create_task(wait(started))
    while not started.count:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert started.was_cancelled


async def test_a_start_that_fails_in_its_turn() -> None:
    started = Started()
    started.error = LookupError("of vLLM")
    started.goes_on.set()
    with pytest.raises(LookupError, match="of vLLM"):
        await started.engine.done()
    without = EngineStart(None, started.start)
    with pytest.raises(LookupError, match="of vLLM"):
        await without.done()


async def _nothing() -> None:
    """A start that takes no time."""


async def _gives(value: int) -> int:
    return value


async def _never(started: Started) -> None:
    started.build()
    await asyncio.Event().wait()
