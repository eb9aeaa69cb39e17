"""A script for the toolkit, found and started without the server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from handrail.core.ladder import Sources
from handrail.core.slots import Slot
from handrail.core.whole_model import Start, WholeModel
from handrail.resolve import Program, resolve
from handrail.styles.inference_toolkit.style import ToolkitStyle
from handrail.styles.inference_toolkit.surroundings import ToolkitSurroundings
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from tests.handlers.conftest import Place
from tests.handlers.driver import WordEngine, scope, send


def found(model_path: Path, surroundings: ToolkitSurroundings | None = None) -> Program:
    return resolve(Sources(model_path, styles=(ToolkitStyle(surroundings),)))


async def started(model_path: Path, surroundings: ToolkitSurroundings | None = None) -> tuple[WholeModel, ASGIApp]:
    program = found(model_path, surroundings)
    assert program.faults == ()
    (model,) = program.models
    await model.start(Start(WordEngine(), ""))
    handler = program.resolutions[Slot.INVOCATION].handler
    assert handler is not None
    return model, handler.app


async def test_it_needs_no_settings(place: Place, model_path: Path) -> None:
    place("toolkit/doubles", "code/inference.py")
    _, app = await started(model_path)
    assert (await send(app, [1, 2])).json() == [2, 4]


async def test_the_functions_may_be_in_model_py(place: Place, model_path: Path) -> None:
    place("toolkit/doubles")
    _, app = await started(model_path)
    assert (await send(app, [1])).json() == [2]


def test_an_empty_directory_has_no_script(model_path: Path) -> None:
    assert found(model_path).models == ()


def test_a_file_beside_the_weights_needs_functions(place: Place, model_path: Path) -> None:
    place("toolkit/helper", "inference.py")
    assert found(model_path).script is None
    assert found(model_path, ToolkitSurroundings(program="inference.py")).script == model_path / "inference.py"


async def test_numpy_that_is_not_installed_is_named(
    place: Place, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the function that lacks it, and not as an error of the script's."""
    place("toolkit/doubles", "code/inference.py")
    model, app = await started(model_path)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ImportError) as raised:
        await send(app, [1])
    problem = model.explain(raised.value)
    assert problem is not None
    assert (problem.status, "the default input_fn and output_fn need numpy" in problem.message) == (500, True)


async def test_a_function_whose_signature_cannot_be_read(place: Place, model_path: Path) -> None:
    """It is given what the toolkit gives."""
    (model_path / "code").mkdir()
    (model_path / "code" / "inference.py").write_text("predict_fn = max\n\ndef model_fn(model_dir):\n    return '4'\n")
    _, app = await started(model_path)
    assert (await send(app, "5")).json() == "5"


async def test_a_client_that_left_while_it_waited_is_not_worked_for(place: Place, model_path: Path) -> None:
    place("toolkit/counts_at_once", "code/inference.py")
    _, app = await started(model_path, ToolkitSurroundings(workers=1))
    first = asyncio.create_task(send(app, {"together": 2, "patience": 0.3}))
    messages = iter([{"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def nothing(message: Any) -> None: ...  # pragma: no cover  nothing is sent

    await asyncio.sleep(0)
    with pytest.raises(ClientDisconnect):
        await app(scope(), receive, nothing)
    assert (await first).json() == 1
