"""The style of applications by itself: without settings, and where its parts are asked alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from handrail.core.ladder import Sources
from handrail.core.slots import Slot
from handrail.resolve import resolve
from handrail.styles.app.application import Application
from handrail.styles.app.style import AppStyle
from starlette.applications import Starlette

from tests.handlers.conftest import Place


def test_without_settings_the_script_s_app_is_found(model_path: Path, place: Place) -> None:
    place("apps/one_post")
    program = resolve(Sources(model_path, styles=(AppStyle(),)))
    assert program.faults == ()
    assert program.resolutions[Slot.INVOCATION].winner.found == f"app at {model_path}/model.py:6"


def test_what_nobody_of_the_author_s_raised_has_no_name(tmp_path: Path) -> None:
    assert Application(Starlette(), tmp_path).part_of(ValueError("of the framework")) is None


async def test_a_start_that_is_cancelled_is_no_fault_of_the_author_s(tmp_path: Path) -> None:
    begun = asyncio.Event()

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        begun.set()
        await asyncio.Event().wait()
        yield

    class Engine:
        raw = None

    engine: Any = Engine()
    starting = asyncio.create_task(Application(Starlette(lifespan=life), tmp_path).start(engine))
    await begun.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
