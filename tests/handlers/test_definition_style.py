"""A definition on the ladder: beside Python, beside a Truss, and broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail.core.errors import Ambiguous, DefinitionMissing, DefinitionRefused, HandlerFault
from handrail.core.ladder import Rung, Sources
from handrail.core.slots import Slot
from handrail.resolve import Program, resolve
from handrail.styles.definition.style import Found

from tests.handlers.test_definition_model import model

HANDLER = "def custom_sagemaker_invocation_handler(request): ..."
MODEL = "class Model:\n    def predict(self, model_input): ...\n    def is_healthy(self): ..."


@pytest.fixture
def settled(model_path: Path) -> Any:
    def settle(script: str | None = None, *faults: HandlerFault, **found: Any) -> Program:
        if script is not None:
            (model_path / "model.py").write_text(script)
        made = None if faults else model()
        definition = Found(model_path / "model.yaml", made, faults, found.pop("warnings", ("a warning",)), **found)
        references = {Slot.PING: "model:ping"} if script and "def ping" in script else {}
        return resolve(Sources(model_path, references=references, definition=definition))

    return settle


def winner(program: Program) -> Any:
    return program.resolutions[Slot.INVOCATION].winner


def test_it_answers_invocations_and_leaves_ping_alone(settled: Any, model_path: Path) -> None:
    program = settled()
    assert (program.faults, program.warnings) == ((), ("a warning",))
    assert program.definition is not None
    assert winner(program).rung is Rung.STYLE
    assert program.resolutions[Slot.PING].winner.rung is Rung.DEFAULT
    assert program.sentences()[1] == (
        f"/invocations is answered by run_inference (run.py:1): the definition {model_path / 'model.yaml'}"
    )


def test_a_script_with_another_handler_goes_with_it(settled: Any) -> None:
    program = settled("def ping(): return True")
    assert program.definition is not None
    assert program.resolutions[Slot.PING].winner.rung is Rung.ENVIRONMENT


def test_a_handler_in_python_wins_and_both_are_named(settled: Any, model_path: Path) -> None:
    """What is wrong with the other then stops nothing."""
    for faults in ((), (DefinitionRefused("broken"),)):
        program = settled(HANDLER, *faults)
        assert (program.definition, program.faults) == (None, ())
        assert winner(program).rung is Rung.NAME
        assert program.warnings == (
            f"/invocations: custom_sagemaker_invocation_handler ({model_path / 'model.py'}:1), named "
            f"custom_sagemaker_invocation_handler, hides run_inference, the definition {model_path / 'model.yaml'}",
        )


def test_a_setting_that_names_no_file_is_wrong_all_the_same(settled: Any) -> None:
    fault = DefinitionMissing("there is none")
    assert settled(HANDLER, fault).faults == (fault,)
    assert settled(None, fault).faults == (fault,)


def test_a_definition_with_faults_is_nobodys_answer(settled: Any) -> None:
    """All of them are told, and no lower rung answers instead."""
    faults = (DefinitionRefused("one"), DefinitionRefused("two"))
    program = settled(None, *faults)
    assert program.faults == faults
    assert program.resolutions[Slot.INVOCATION].fault is faults[0]
    assert winner(program).rung is Rung.STYLE


def test_a_truss_beside_it_is_an_error_that_names_both(settled: Any, model_path: Path) -> None:
    program = settled(MODEL)
    (fault,) = program.faults
    assert isinstance(fault, Ambiguous)
    assert f"class Model at {model_path / 'model.py'}:1 and the definition {model_path / 'model.yaml'}" in str(fault)
    assert "HANDRAIL_DEFINITION=model.yaml (the definition) or HANDRAIL_DEFINITION=none (the Model)" in str(fault)


def test_the_setting_chooses_the_definition(settled: Any) -> None:
    """The Model answers nothing then, /ping neither."""
    program = settled(MODEL, is_chosen=True)
    assert program.faults == ()
    assert program.model is None
    assert program.definition is not None
    assert program.resolutions[Slot.PING].winner.rung is Rung.DEFAULT
    assert "hides class Model at" in program.warnings[-1]


def test_a_model_that_does_not_predict_goes_with_it(settled: Any) -> None:
    program = settled("class Model:\n    def chat_completions(self, body): ...")
    assert program.faults == ()
    assert program.model is not None
    assert program.definition is not None


def test_a_file_of_somebody_else_is_only_warned_of(model_path: Path) -> None:
    program = resolve(
        Sources(model_path, definition=Found(model_path / "model.yaml", warnings=("not used",), is_foreign=True))
    )
    assert (program.warnings, program.definition) == (("not used",), None)
    assert winner(program).rung is Rung.DEFAULT
