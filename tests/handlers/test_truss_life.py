"""A Model is made, loaded, and asked how it is."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from handrail.core.errors import LoadFailed, SignatureRefused
from handrail.core.whole_model import Start
from handrail.styles.truss import life
from handrail.styles.truss.config import TrussConfig
from handrail.styles.truss.life import Life, ModelHealth, check_init
from handrail.styles.truss.surroundings import Surroundings

from tests.handlers.driver import WordEngine, send

CONFIG = TrussConfig(Path("/ml/config.yaml"), {"model_name": "m", "secrets": {"key": "value"}})
ENGINE = WordEngine()


async def started(cls: type, environment: str | None = None, retries: int = 1) -> Any:
    alive = Life(cls, CONFIG, Surroundings({}, Path("/nowhere"), environment, retries), retry_after_s=0)
    await alive.start(ENGINE)
    return alive.instance


class TakesAll:
    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = kwargs


class TakesSome:
    def __init__(self, trt_llm: Any, secrets: Any, mine: int = 3) -> None:
        self.engine, self.key, self.mine = trt_llm["engine"], secrets["key"], mine


class TakesNothing:
    pass


async def test_a_model_gets_what_its_signature_takes() -> None:
    """All of it where it takes any keyword."""
    given = (await started(TakesAll)).kwargs
    assert given.keys() == set(life.KEYWORDS)
    assert given["config"] == CONFIG.data
    assert (given["data_dir"], given["environment"]) == (Path("/ml/data"), None)
    assert given["trt_llm"] == {"engine": ENGINE} == {"engine": given["engine"]}
    given["lazy_data_resolver"].fetch()
    some = await started(TakesSome)
    assert (some.engine, some.key, some.mine) == (ENGINE, "value", 3)
    assert await started(TakesNothing)


async def test_load_is_awaited_and_runs_in_a_thread_where_it_blocks() -> None:
    class Async:
        loaded = False

        async def load(self) -> None:
            await asyncio.sleep(0)
            self.loaded = True

    class Sync:
        thread: Any = None

        def load(self) -> None:
            self.thread = threading.current_thread()

    assert (await started(Async)).loaded
    assert (await started(Sync)).thread is not threading.main_thread()


async def test_load_has_a_second_try(caplog: pytest.LogCaptureFixture) -> None:
    """The first failure is a warning."""

    class Twice:
        tries = 0

        def load(self) -> None:
            self.tries += 1
            if self.tries == 1:
                raise RuntimeError("not yet")

    assert (await started(Twice)).tries == 2
    assert "not yet; it is tried again, 1 more at most" in caplog.text


async def test_a_load_that_fails_twice_is_told_with_its_line() -> None:
    """And with the user's own traceback."""

    class Never:
        def load(self) -> None:
            raise RuntimeError("no weights")

    with pytest.raises(LoadFailed) as failed:
        await started(Never)
    assert f"{__file__}:" in str(failed.value)
    assert str(failed.value).endswith("Never.load failed: RuntimeError: no weights")
    assert "raise RuntimeError" in failed.value.user_traceback
    assert "truss/life.py" not in failed.value.user_traceback


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_load_is_tried_as_often_as_the_setting_says(retries: int) -> None:
    """NUM_LOAD_RETRIES_TRUSS on top of the first try."""

    class Never:
        tries = 0

        def load(self) -> None:
            Never.tries += 1
            raise RuntimeError("no weights")

    with pytest.raises(LoadFailed):
        await started(Never, retries=retries)
    assert Never.tries == retries + 1


async def test_a_load_that_fails_shows_no_secret() -> None:
    """Neither in its sentence nor in its traceback."""

    class Leaks:
        def __init__(self, secrets: Any) -> None:
            raise ValueError(f"bad key {secrets['key']}")

    with pytest.raises(LoadFailed, match=r"bad key \*\*\*") as failed:
        await started(Leaks)
    assert "bad key value" not in failed.value.user_traceback


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1)])
async def test_a_model_that_cannot_be_made_has_one_try(error: BaseException) -> None:
    class Broken:
        made = 0

        def __init__(self) -> None:
            Broken.made += 1
            raise error

    with pytest.raises(LoadFailed, match=r"Broken\.__init__ failed: "):
        await started(Broken)
    assert Broken.made == 1


async def test_the_environment_is_told_where_one_is_named() -> None:
    """Once, before load."""

    class Deployed:
        environment: Any = None

        async def setup_environment(self, environment: Any) -> None:
            self.environment = environment

    assert (await started(Deployed, "production")).environment == {"name": "production"}
    assert (await started(Deployed)).environment is None
    assert await started(TakesNothing, "production")


def test_what_init_cannot_get_is_refused() -> None:
    """With the line and the names there are."""

    class Wants:
        def __init__(self, engine: Any, tokenizer: Any, /, *args: Any) -> None: ...

    with pytest.raises(SignatureRefused) as refused:
        check_init(Wants)
    said = str(refused.value)
    assert f"{__file__}:" in said
    assert "'engine' and 'tokenizer' cannot be given. It may take config, data_dir" in said
    for fine in (TakesAll, TakesSome, TakesNothing):
        check_init(fine)


def health_of(is_healthy: Any, **times: float) -> ModelHealth:
    alive = Life(TakesNothing, CONFIG, Surroundings())
    alive.instance = type("Model", (), {"is_healthy": is_healthy})()
    return ModelHealth(alive, **times)


@pytest.mark.parametrize(("said", "expected"), [(True, True), (1, True), ("yes", True), (False, False), (None, False)])
async def test_health_is_what_the_model_says(said: Any, expected: bool) -> None:
    """Its truth; in a thread or on the loop."""

    async def on_the_loop(self: Any) -> Any:
        return said

    assert await health_of(lambda self: said).is_healthy() is expected
    assert await health_of(on_the_loop).is_healthy() is expected


async def test_health_that_raises_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """The log says so."""

    def raises(self: Any) -> bool:
        raise RuntimeError("sick")

    assert await health_of(raises).is_healthy() is False
    assert "RuntimeError: sick" in caplog.text


@pytest.mark.parametrize(("kept_s", "calls"), [(60, 2), (0, 3)])
async def test_health_is_asked_once_a_second(kept_s: float, calls: int) -> None:
    """Probes at once share an answer; after a second it is asked again."""
    asked = []
    health = health_of(lambda self: asked.append(1) or True, kept_s=kept_s)
    assert await asyncio.gather(health.is_healthy(), health.is_healthy()) == [True, True]
    assert len(asked) == 1
    await health.is_healthy()
    await health.is_healthy(is_fresh=True)
    assert len(asked) == calls


async def test_health_that_hangs_is_not_waited_for() -> None:
    """Nor asked in another thread while the first is at it."""
    end, asked = threading.Event(), []

    def hangs(self: Any) -> bool:
        asked.append(1)
        return end.wait(30)

    health = health_of(hangs, within_s=0.02)
    began = time.monotonic()
    assert await health.is_healthy() is False
    assert await health.is_healthy() is False
    assert time.monotonic() - began < 1
    end.set()
    while not await health.is_healthy():
        assert time.monotonic() - began < 30
    assert len(asked) == 1


async def test_the_ping_of_a_model_is_its_health() -> None:
    from handrail.styles.truss.model import TrussModel

    class Model:
        def is_healthy(self) -> bool:
            return False

        def predict(self) -> None: ...

    model = TrussModel(Model, CONFIG, Surroundings())
    await model.start(Start(ENGINE, ""))
    assert (await send(model.by_method["is_healthy"].app)).status == 503
    assert model.socket is None
    well = TrussModel(type("Well", (Model,), {"is_healthy": None}), CONFIG, Surroundings())
    assert await well.is_healthy()
