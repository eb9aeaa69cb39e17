"""An engine that does not start: who builds it, and what waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from handrail_container.process.exits import SettingsError
from handrail_container.program.adoption.arrival import Running
from handrail_container.program.adoption.record import Adoption, KnownArguments
from handrail_container.server.engine_start import EngineStart
from handrail_container.settings import environment


def build(adoption: Adoption) -> None:
    adoption.record("LLM", "model.py:3", {"model": "org/one"}, KnownArguments(("model",), has_gpu=True))


def started(start: Callable[[], Awaitable[None]] | None = None) -> tuple[Adoption, EngineStart]:
    adoption = Adoption(environment.read(), asyncio.get_running_loop())

    async def come() -> None:
        adoption.arrival.come(Running("the client", asyncio.get_running_loop()))

    return adoption, EngineStart(adoption, start or come)


async def test_a_start_that_fails_says_who_builds_the_engine() -> None:
    async def fail() -> None:
        raise SettingsError("no such model")

    adoption, engine = started(fail)
    told: list[str] = []

    def step() -> None:
        build(adoption)
        try:
            adoption.use("model.py:4")
        except RuntimeError as error:
            told.append(str(error))
            raise

    with pytest.raises(SettingsError) as raised:
        await engine.beside(asyncio.to_thread(step))
    assert raised.value.problems == (
        "no such model",
        "model.py:3 builds this engine; HANDRAIL_ADOPT_DROP leaves out arguments of it",
    )
    assert told == ["the engine did not start: no such model"]


async def test_a_start_that_is_cancelled_releases_what_waits() -> None:
    adoption, engine = started(asyncio.Event().wait)  # type: ignore[arg-type]  # it never ends

    def step() -> None:
        build(adoption)
        adoption.use("model.py:4")

    async def working() -> None:
        await engine.beside(asyncio.to_thread(step))

    task = asyncio.create_task(working())
    while not adoption.is_wanted:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    assert adoption.arrival.is_settled
    with pytest.raises(RuntimeError, match=r"the engine did not start|has stopped before"):
        adoption.arrival.wait()


async def test_a_step_that_fails_releases_what_waits() -> None:
    adoption, engine = started()

    async def fail() -> None:
        raise KeyError("the script's")

    with pytest.raises(KeyError):
        await engine.beside(fail())
    with pytest.raises(RuntimeError, match="the server has stopped before the engine could start"):
        adoption.arrival.wait()
