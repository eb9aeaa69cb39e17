"""The script's own start and end: what hooks take, in which order they run, and what their failures do."""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
from handrail import Engine
from handrail.core import hooks
from handrail.core.errors import HookFailed, SignatureRefused
from handrail.core.slots import Moment
from starlette.applications import Starlette

from tests.handlers.conftest import Written
from tests.handlers.driver import WordEngine


@pytest.fixture
def app() -> Starlette:
    app = Starlette()
    app.state.engine = WordEngine()
    return app


async def test_hooks_get_what_they_ask_for(app: Starlette) -> None:
    """Nothing, the engine, the application by name or by type; a plain function runs in a thread."""
    got: list[Any] = []

    def nothing() -> None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        got.append(None)

    async def engine(mine: Engine) -> None:
        got.append(mine)

    def named(app) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        got.append(app)

    async def typed(application: Starlette) -> None:
        got.append(application)

    started = [nothing, engine, named, typed, functools.partial(got.append, "partial"), lambda: asyncio.sleep(0)]
    for hook in started:
        hooks.check_hook(hook)
    await hooks.start(started, app)
    assert got == [None, app.state.engine, app, app, "partial"]


async def test_the_last_started_is_the_first_stopped(app: Starlette) -> None:
    """As one closes what one has opened."""
    order: list[str] = []
    pair = [functools.partial(order.append, "first"), functools.partial(order.append, "second")]
    await hooks.start(pair, app)
    await hooks.stop(pair, app)
    assert order == ["first", "second", "second", "first"]


def raises() -> None:
    raise ConnectionError("no vector store")


async def exits() -> None:
    sys.exit(0)


@pytest.mark.parametrize(
    ("hook", "cause"), [(raises, "ConnectionError: no vector store"), (exits, "SystemExit: 0")], ids=["raises", "exits"]
)
async def test_a_start_that_fails_names_the_hook_and_the_cause(
    app: Starlette, hook: Callable[[], Any], cause: str
) -> None:
    """What comes after it does not run; `sys.exit(0)` in it is a failure as well."""
    with pytest.raises(HookFailed) as failed:
        await hooks.start([hook, lambda: pytest.fail("the hook before it failed")], app)
    assert str(failed.value).startswith(f"{__file__}:")
    assert str(failed.value).endswith(f"{hook.__name__} failed at start-up: {cause}")
    assert cause.partition(":")[0] in failed.value.user_traceback


@pytest.mark.parametrize("hook", [raises, exits])
async def test_an_end_that_fails_keeps_none_from_its_turn(
    app: Starlette, hook: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback."""
    ended: list[str] = []
    await hooks.stop([functools.partial(ended.append, "first"), hook], app)
    assert ended == ["first"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert f"{hook.__name__} failed at shutdown" in record.getMessage()
    assert record.exc_info is not None


def test_a_hook_without_a_name_is_told_by_what_python_shows() -> None:
    assert "partial" in hooks.named(functools.partial(raises))


def test_hooks_are_found_in_order(program: Written) -> None:
    """Of each moment; one function may be of both."""
    both = "from handrail import on_shutdown, on_startup\n@on_startup\n@on_shutdown()\ndef both(): ...\n"
    served = program(both + "@on_startup\nasync def second(app): ...\n")
    assert served.faults == ()
    names = {moment: [hook.__name__ for hook in found] for moment, found in served.hooks.items()}
    assert names == {Moment.STARTUP: ["both", "second"], Moment.SHUTDOWN: ["both"]}


def test_a_hook_that_asks_for_more_stops_the_start(program: Written) -> None:
    """Each in a sentence that quotes it."""
    wanting = "from handrail import on_shutdown, on_startup\n@on_startup\n@on_shutdown\ndef load(path): ...\n"
    faults = program(wanting).faults
    assert [type(fault) for fault in faults] == [SignatureRefused, SignatureRefused]
    assert str(faults[0]).startswith("@on_startup: ")
    assert "def load(path): a hook takes nothing, a parameter annotated handrail.Engine, or `app`; not 'path'" in str(
        faults[1]
    )


async def test_a_parameter_with_a_default_keeps_it(app: Starlette) -> None:
    """It is not ours to fill."""
    got: list[str] = []

    def warm(app: Starlette, path: str = "index") -> None:
        got.append(path)

    hooks.check_hook(warm)
    await hooks.start([warm], app)
    assert got == ["index"]


async def test_an_end_that_hangs_is_left(app: Starlette, caplog: pytest.LogCaptureFixture) -> None:
    """The platform kills a server that does not stop in time."""
    await hooks.stop([asyncio.Event().wait], app, within_s=0.01)
    assert "took over 0.01 s" in caplog.text


async def test_an_end_that_is_cancelled_ends(app: Starlette) -> None:
    """It is no fault of the hook's."""
    begun = asyncio.Event()

    async def hangs() -> None:
        begun.set()
        await asyncio.sleep(60)

    ending = asyncio.create_task(hooks.stop([hangs], app))
    await begun.wait()
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending


async def test_a_start_that_is_cancelled_is_no_fault_of_the_hook_s(app: Starlette) -> None:
    begun = asyncio.Event()

    async def hangs() -> None:
        begun.set()
        await asyncio.sleep(60)

    starting = asyncio.create_task(hooks.start([hangs], app))
    await begun.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
