"""An edit of a script whose text builds an engine, beside an engine that runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from handrail_container.engine.echo.backend import EchoBackend
from handrail_container.engine.echo.client import Pace
from handrail_container.gate.lifecycle import Lifecycle
from handrail_container.program.adoption.record import Adoption
from handrail_container.program.load import load_program
from handrail_container.routes.application import create_app
from handrail_container.server import composition
from handrail_container.server.serving import Serving, StartRefused
from handrail_container.settings.fields import Settings

SCRIPT = """
from handrail import custom_invocation_handler


@custom_invocation_handler
def answer(body: dict):
    from vllm import LLM

    return LLM("org/one", max_model_len=64).generate(body["prompt"])
"""


class Edited:
    """A served script in this process, and the record of what it builds."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "model.py"
        self.script.write_text(SCRIPT)
        self.settings = Settings(SAGEMAKER_MODEL_PATH=folder, HANDRAIL_ENGINE="none")
        self.gate = composition.create_gate(self.settings, Lifecycle())
        self.adoption = Adoption(self.settings, asyncio.get_running_loop())
        self.adoption.engine_runs_with({"SM_VLLM_MODEL": "org/one", "SM_VLLM_MAX_MODEL_LEN": "64"})
        backend = EchoBackend(Pace(), "echo")
        self.serving = Serving(self.settings, self.gate, backend, create_app(backend), "", self.adoption)

    async def begin(self) -> None:
        await self.serving.begin(load_program(self.settings))

    async def edit(self, before: str, after: str) -> None:
        self.script.write_text(SCRIPT.replace(before, after))
        await self.serving.reload()


@pytest.fixture
async def edited(tmp_path: Path) -> Edited:
    return Edited(tmp_path)


async def test_an_edit_that_asks_for_the_same_engine(edited: Edited, caplog: pytest.LogCaptureFixture) -> None:
    await edited.begin()
    await edited.edit("max_model_len=64", "max_model_len=64, max_num_seqs=7")
    assert edited.gate.lifecycle.reloads == {"ok": 1, "refused": 0}
    assert edited.gate.names_asker
    assert "wants max_num_seqs=7, and the engine already runs with vLLM's default; answers are the same" in caplog.text
    await edited.serving.end()


async def test_an_edit_that_asks_for_another(edited: Edited, capfd: pytest.CaptureFixture[str]) -> None:
    await edited.begin()
    await edited.edit("org/one", "org/two")
    assert edited.gate.lifecycle.reloads == {"ok": 0, "refused": 1}
    assert f'{edited.script}:9 asks for "org/two"' in capfd.readouterr().err
    await edited.edit("org/one", "org/one")
    assert edited.gate.lifecycle.reloads == {"ok": 1, "refused": 1}
    await edited.serving.end()


async def test_an_edit_with_a_fault_of_its_own(edited: Edited) -> None:
    await edited.begin()
    await edited.edit("(body: dict)", "(1)")
    assert edited.gate.lifecycle.reloads == {"ok": 0, "refused": 1}
    await edited.serving.end()


async def test_what_a_start_up_step_has_caught_is_refused(edited: Edited) -> None:
    edited.adoption.refusals.append("model.py:9 wants another engine")
    with pytest.raises(StartRefused, match="wants another engine"):
        await edited.begin()
