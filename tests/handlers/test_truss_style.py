"""Finding a Model: which class counts, how its files import each other, and where it is on the ladder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from handrail.core.errors import DefinitionRefused, ImportFailed, NameMissing, SignatureRefused
from handrail.core.ladder import Rung
from handrail.core.slots import Slot
from handrail.resolve import Program, Sources, resolve
from handrail.styles.truss.config import TrussConfig

from tests.handlers.conftest import Place
from tests.handlers.driver import WordEngine, send

PLAIN = {"model_name": "plain", "secrets": {"api_key": None}}


@pytest.fixture
def truss(place: Place, model_path: Path) -> Any:
    def load(program: str | None, data: dict[str, Any] | None = None, **references: str) -> Program:
        if program is not None:
            place(program)
        config = None if data is None else TrussConfig(model_path / "config.yaml", data)
        by_slot = {Slot(slot): value for slot, value in references.items()}
        return resolve(Sources(model_path, references=by_slot, config=config))

    return load


async def answer(program: Program, body: Any = None) -> Any:
    assert program.faults == ()
    assert program.model is not None
    await program.model.start(WordEngine())
    handler = program.resolutions[Slot.INVOCATION].handler
    assert handler is not None
    return (await send(handler.app, body or {})).json()


async def test_a_truss_is_found_and_its_files_import_each_other(truss: Any, model_path: Path) -> None:
    """`model.helper`, `helper` and what is in packages/."""
    program = truss("truss_plain", PLAIN)
    assert program.script == model_path / "model" / "model.py"
    got = await answer(program, {"a": 1})
    assert (got["loaded"], got["place"], got["secret"]) == ("hellohello", "packages", "no secret")
    assert got["more"] == ["engine", "environment", "lazy_data_resolver"]
    assert sys.modules["model.model"].Model.__module__ == "model.model"
    assert program.resolutions[Slot.PING].winner.rung is Rung.STYLE
    assert "Model.predict" in program.sentences()[1]


async def test_a_truss_is_loaded_again_after_an_edit(truss: Any, model_path: Path) -> None:
    """The package is the same, its modules are new ones."""
    truss("truss_plain", PLAIN)
    again = truss(None, PLAIN)
    assert (await answer(again))["loaded"] == "hellohello"


async def test_the_names_are_those_of_the_config(truss: Any) -> None:
    """Relative imports work, too."""
    names = {"model_module_dir": "src", "model_class_filename": "answers.py", "model_class_name": "Answers"}
    assert await answer(truss("truss_renamed", names)) == "renamed"


async def test_the_alias_model_is_the_script(truss: Any, model_path: Path) -> None:
    """A reference of rung 1 comes before the Model, which goes on answering its other routes."""
    program = truss("truss_plain", PLAIN, ping="model:Loaded")
    assert "model:Loaded" in str(program.faults[0])
    (model_path / "model" / "model.py").write_text("class Model:\n    def predict(self): ...\ndef mine(): ...\n")
    program = truss(None, PLAIN, invocation="model:mine")
    assert program.resolutions[Slot.INVOCATION].winner.rung is Rung.ENVIRONMENT
    assert program.model is not None
    assert "hides predict, class Model" in program.warnings[0]


async def test_a_flat_script_may_hold_a_model(truss: Any) -> None:
    """With a config.yaml or without."""
    assert await answer(truss("truss_flat"), {"a": 1}) == {"body": {"a": 1}}
    assert await answer(truss(None, {"model_name": "m"}), {"a": 1}) == {"body": {"a": 1}}


@pytest.mark.parametrize("program", ["truss_not_a_model", "named_handlers"])
def test_a_class_that_answers_nothing_is_none(truss: Any, program: str) -> None:
    """Nor is a script without one a Truss."""
    found = truss(program)
    assert (found.model, found.faults) == (None, ())


def test_a_class_that_a_handler_hides_is_left_alone(truss: Any) -> None:
    """Whatever it looks like: the handler was asked for by name."""
    program = truss("truss_flat_hidden")
    assert (program.model, program.faults) == (None, ())
    assert "hides predict, class Model at" in program.warnings[0]
    assert program.resolutions[Slot.PING].winner.rung is Rung.DEFAULT


def test_a_truss_without_its_class_is_refused(truss: Any, model_path: Path) -> None:
    """With the nearest there is."""
    program = truss("truss_plain", {**PLAIN, "model_class_name": "Modle"})
    assert isinstance(program.faults[0], NameMissing)
    assert str(program.faults[0]).endswith("no class of that name; did you mean 'Model'?")
    (model_path / "model" / "model.py").write_text("")
    assert str(truss(None, PLAIN).faults[0]).endswith("it has: no classes.")


def test_a_model_with_a_wrong_signature_stops_the_start(truss: Any, model_path: Path) -> None:
    """On its rung, once."""
    program = truss("truss_flat")
    (model_path / "model.py").write_text("class Model:\n    def predict(self, a, b, c): ...\n    is_healthy = None\n")
    program = truss(None)
    (fault,) = program.faults
    assert isinstance(fault, SignatureRefused)
    assert str(fault).startswith(f"{model_path}/model.py:2 def predict(self, a, b, c)")


def test_a_config_that_cannot_be_read_stops_the_start(model_path: Path, place: Place) -> None:
    place("named_handlers")
    refused = DefinitionRefused("config.yaml:1 is not YAML")
    assert resolve(Sources(model_path, config=refused)).faults == (refused,)


def test_a_truss_without_a_model_is_the_engine(truss: Any, model_path: Path) -> None:
    """A config.yaml alone."""
    program = truss(None, {"trt_llm": {}})
    assert (program.model, program.faults, program.script) == (None, (), None)


def test_a_package_that_fails_to_import_is_told(truss: Any, model_path: Path, place: Place) -> None:
    place("truss_plain")
    (model_path / "model" / "__init__.py").write_text("1 / 0")
    (fault,) = truss(None, PLAIN).faults
    assert isinstance(fault, ImportFailed)
    assert "ZeroDivisionError" in str(fault)


@pytest.mark.parametrize("folder", ["json", "not-a-name"])
async def test_a_folder_that_cannot_be_a_package_is_none(truss: Any, model_path: Path, folder: str) -> None:
    """Its name is taken, or no name; siblings are imported without it."""
    (model_path / folder).mkdir()
    (model_path / folder / "model.py").write_text("class Model:\n    def predict(self): return 'here'\n")
    assert await answer(truss(None, {"model_module_dir": folder})) == "here"


def test_a_model_may_have_a_web_socket_alone(truss: Any, model_path: Path) -> None:
    """The engine answers the rest, which is said."""
    (model_path / "model.py").write_text("class Model:\n    async def websocket(self, ws): ...\n")
    program = truss(None)
    (warning,) = program.warnings
    assert warning.endswith("the engine answers /invocations. Set HANDRAIL_MODEL_ROUTES=strict, which answers 404")
    assert program.model.handlers == {}
    assert program.model.socket.signature.name == "Model.websocket"
    assert program.resolutions[Slot.INVOCATION].winner.rung is Rung.DEFAULT


ANNOTATIONS = [
    (": In", " -> In"),
    (": 'In'", ' -> "Iterator[str]"'),
    (": In", ""),
    ("", ""),
    (": In", " -> AsyncGenerator[In, None]"),
]


def test_a_schema_is_of_pydantic_annotations(truss: Any, model_path: Path) -> None:
    """Of what predict takes and gives; None without any."""
    head = "from typing import *\nfrom pydantic import BaseModel\nclass In(BaseModel):\n    a: int\n"
    body = "class Model:\n    def predict(self, x{}){}: ...\n"
    seen = []
    for takes, gives in ANNOTATIONS:
        (model_path / "model.py").write_text(head + body.format(takes, gives))
        schema = truss(None).model.schema
        seen.append(schema and (schema["output_schema"] is not None, schema["supports_streaming"]))
    assert seen == [(True, False), (False, True), (False, False), None, (True, True)]
    (model_path / "model.py").write_text("class Model:\n    def completions(self): ...\n")
    assert truss(None).model.schema is None


async def test_a_model_answers_its_routes(truss: Any) -> None:
    """By the path of each method."""
    program = truss("truss_plain", PLAIN)
    await program.model.start(WordEngine())
    (path,) = program.model.routes
    assert path == "/v1/completions"
    assert (await send(program.model.routes[path].app, {})).json() == {"text": "from the Model"}
