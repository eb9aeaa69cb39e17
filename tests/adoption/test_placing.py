"""What of a program is put on a loop of its own, and what stays where it is."""

from __future__ import annotations

from pathlib import Path

from handrail.adoption.script_loop import ScriptLoop
from handrail.adoption.sharing import Sharing
from handrail.core.calling import Handler, adapt
from handrail.core.ladder import Sources
from handrail.core.slots import Slot
from handrail.core.whole_model import ModelDirectory, Offer, Style, WholeModel
from handrail.resolve import Program, resolve
from handrail_container.program.adoption.own_loop import apart
from handrail_container.program.adoption.placing import on_own_loop
from handrail_container.settings.fields import Settings
from starlette.requests import Request

from tests.interpreter import user_programs_forgotten


async def invoke(request: Request) -> dict[str, int]:
    return {}


class Model(WholeModel):
    def __init__(self, *, is_elsewhere: bool = False) -> None:
        self.is_elsewhere = is_elsewhere
        self.one = adapt(invoke, Slot.INVOCATION)
        self.handlers = {Slot.INVOCATION: self.one, Slot.PING: invoke}
        self.routes = {"/v1/chat/completions": self.one}


class OneModel(Style):
    name = "one"

    def __init__(self, model: WholeModel) -> None:
        self._model = model

    def find(self, directory: ModelDirectory) -> Offer | None:
        return Offer("a model", self._model)


def placed(folder: Path, model: WholeModel | None = None, text: str = "") -> tuple[Program, Program]:
    (folder / "model.py").write_text(text)
    with user_programs_forgotten(folder):
        program = resolve(Sources(folder, styles=(OneModel(model),) if model else ()))
        assert program.faults == ()
        return program, on_own_loop(program, ScriptLoop("model.py:1", Sharing("", "")), ("model.py:1",))


def handler_of(program: Program, slot: Slot) -> Handler:
    handler = program.resolutions[slot].handler
    assert handler is not None
    return handler


def test_a_model_keeps_one_handler_for_two_routes(tmp_path: Path) -> None:
    model = Model()
    before, after = placed(tmp_path, model)
    assert handler_of(after, Slot.INVOCATION) is model.handlers[Slot.INVOCATION] is model.routes["/v1/chat/completions"]
    assert handler_of(after, Slot.INVOCATION).app is not handler_of(before, Slot.INVOCATION).app
    assert handler_of(after, Slot.PING).app is not handler_of(before, Slot.PING).app
    assert model.handlers[Slot.PING] is invoke


def test_a_model_of_other_processes_stays(tmp_path: Path) -> None:
    model = Model(is_elsewhere=True)
    placed(tmp_path, model)
    assert model.handlers[Slot.INVOCATION] is model.one


def test_plain_functions_stay(tmp_path: Path) -> None:
    text = (
        "from handrail import *\n"
        "@custom_invocation_handler\ndef invoke(request):\n    return {}\n"
        "@on_shutdown\ndef end():\n    pass\n"
        "@input_formatter\ndef before(request):\n    return None\n"
    )
    before, after = placed(tmp_path, text=text)
    assert handler_of(after, Slot.INVOCATION) is handler_of(before, Slot.INVOCATION)
    assert after.hooks == before.hooks
    assert after.around == before.around


def test_a_middleware_whose_text_is_not_there_may_block(tmp_path: Path) -> None:
    text = (
        "from handrail import custom_middleware\n"
        "exec('async def around(request, call_next): ...')\n"
        "custom_middleware('throttle')(around)\n"
    )
    before, after = placed(tmp_path, text=text)
    assert after.around.throttle != before.around.throttle


def test_a_program_that_blocks_nowhere_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("import os  # as vllm does\nasync def invoke(request):\n    return {}\n")
    with user_programs_forgotten(tmp_path):
        program = resolve(Sources(tmp_path))
        assert apart(program, Settings(SAGEMAKER_MODEL_PATH=tmp_path)) is program
    assert program.own_loop is None
