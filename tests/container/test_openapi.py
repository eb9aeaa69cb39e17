"""`/openapi.json` of a server, whoever answers: valid OpenAPI 3.1, and right about the handlers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from handrail.core.contract import Contract
from handrail.resolve import Program
from handrail_container.program.load import load_program
from handrail_container.routes.described_paths import ApiSource
from handrail_container.routes.openapi import describe, set_source
from handrail_container.settings.fields import Settings
from openapi_spec_validator import validate
from pydantic import BaseModel

from tests.container.test_server import running
from tests.servers import SCRIPTS


async def document(folder: Path, script: str = "", **given: str) -> dict[str, Any]:
    """Of a server of its own, valid."""
    names = {"CUSTOM_SCRIPT_FILENAME": script} if script else {}
    async with running(folder, **{"HANDRAIL_ENGINE": "echo", **names, **given}) as served:
        await served.answers(200)
        found: dict[str, Any] = (await served.http.get("/openapi.json")).json()
    validate(found)
    return found


def post(found: dict[str, Any], path: str = "/invocations") -> dict[str, Any]:
    operation: dict[str, Any] = found["paths"][path]["post"]
    return operation


def body(operation: dict[str, Any]) -> Any:
    return operation["requestBody"]["content"]["application/json"]["schema"]


async def test_a_typed_handler_is_described_by_its_models() -> None:
    """In both of its places, and with the error that everything has."""
    found = await document(SCRIPTS, "typed_answer.py")
    operation = post(found)
    assert operation == post(found, "/predict")
    assert body(operation) == {"$ref": "#/components/schemas/Ask"}
    answer = operation["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Answer"}
    assert operation["responses"].keys() == {"200", "default"}
    assert operation["summary"] == "Answer a question."
    assert {"Ask", "Part", "Answer", "Error"} <= found["components"]["schemas"].keys()


async def test_names_that_are_taken_are_changed_and_nothing_else() -> None:
    """The error of the server keeps its own; a discriminator knows its models by their new names."""
    found = await document(SCRIPTS, "typed_names_that_are_taken.py")
    components = found["components"]["schemas"]
    assert components["Error"]["required"] == ["error"]
    assert body(post(found)) == {"$ref": "#/components/schemas/Error-2"}
    mapping = components["Error-2"]["properties"]["pet"]["discriminator"]["mapping"]
    assert mapping == {"cat": "#/components/schemas/Cat-2", "dog": "#/components/schemas/Dog-2"}
    assert mapping.keys() == {
        components[name.rpartition("/")[2]]["properties"]["kind"]["const"] for name in mapping.values()
    }


async def test_a_ping_of_ones_own_has_its_parameters() -> None:
    found = await document(SCRIPTS, "typed_names_that_are_taken.py")
    for method in ("get", "post", "head"):
        operation = found["paths"]["/ping"][method]
        assert [one["name"] for one in operation["parameters"]] == ["deep"]
        assert operation["responses"]["200"]["content"] == {"*/*": {"schema": {}}}
    assert "parameters" not in found["paths"]["/health"]["get"]


async def test_a_stream_is_one() -> None:
    operation = post(await document(SCRIPTS, "typed_stream.py"))
    assert operation["responses"]["200"]["content"].keys() == {"application/octet-stream"}


async def test_an_untyped_handler_takes_any_json() -> None:
    """Not what the engine takes: it does not answer there."""
    assert body(post(await document(SCRIPTS, "does_as_told.py"))) == {}


async def test_the_engine_is_described_where_it_answers(tmp_path: Path) -> None:
    operation = post(await document(tmp_path))
    assert [one["required"] for one in body(operation)["anyOf"]] == [["messages"], ["prompt"], ["input"], ["inputs"]]
    assert operation["responses"]["200"]["content"].keys() == {"application/json", "text/event-stream"}


async def test_without_an_engine_and_a_handler_there_is_nothing_to_send(tmp_path: Path) -> None:
    assert "requestBody" not in post(await document(tmp_path, HANDRAIL_ENGINE="none"))


async def test_every_good_answer_is_said_in_words_of_its_own(tmp_path: Path) -> None:
    found = await document(tmp_path)
    words = {
        one["responses"]["200"]["description"]
        for path in found["paths"].values()
        for one in path.values()
        if isinstance(one, dict)
    }
    assert "Well." not in words
    assert {"The metrics.", "It can.", "It is loaded."} <= words
    assert {"/execution-parameters", "/adapters", "/adapters/{adapter_name}"} <= found["paths"].keys()
    assert "/invocations-bidirectional-stream" in found["info"]["description"]


MODEL = """
from pydantic import BaseModel
class Ask(BaseModel):
    n: int
class Answer(BaseModel):
    n: int
class Model:
    def predict(self, ask: Ask) -> Answer:
        return Answer(n=ask.n)
"""
STEPS = """
    def preprocess(self, given: dict):
        return Ask(**given)
    def postprocess(self, answer) -> str:
        return str(answer)
"""
CHATS = """
    def chat_completions(self, ask: Ask) -> Answer:
        return Answer(n=1)
"""


def truss(folder: Path, source: str) -> Path:
    (folder / "config.yaml").write_text("model_name: counts\n")
    (folder / "model").mkdir()
    (folder / "model" / "model.py").write_text(source)
    return folder


async def test_a_truss_model_is_described_by_predict(tmp_path: Path) -> None:
    """Wherever `predict` answers; what the engine does not answer beside it is left out."""
    found = await document(truss(tmp_path, MODEL))
    reference = {"$ref": "#/components/schemas/Ask"}
    for path in ("/invocations", "/predict", "/v1/chat/completions", "/v1/models/{model_name}:predict"):
        assert body(post(found, path)) == reference
    assert [one["name"] for one in post(found, "/v1/models/{model_name}:predict")["parameters"]] == ["model_name"]
    assert {"/tokenize", "/v1/models"} <= found["paths"].keys()


async def test_the_steps_around_predict_take_and_give(tmp_path: Path) -> None:
    operation = post(await document(truss(tmp_path, MODEL + STEPS)))
    assert body(operation) == {}
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "string"


async def test_a_method_of_a_models_own_describes_its_route(tmp_path: Path) -> None:
    found = await document(truss(tmp_path, MODEL + CHATS.replace("Ask", "dict")))
    assert body(post(found, "/v1/chat/completions")) == {}
    assert body(post(found, "/v1/completions")) == {"$ref": "#/components/schemas/Ask"}


async def test_beside_a_model_the_engine_may_answer_all_else(tmp_path: Path) -> None:
    found = await document(truss(tmp_path, MODEL), HANDRAIL_MODEL_ROUTES="engine")
    assert body(post(found, "/v1/chat/completions")) != {"$ref": "#/components/schemas/Ask"}


async def test_a_model_without_predict_leaves_the_engine_its_routes(tmp_path: Path) -> None:
    found = await document(truss(tmp_path, MODEL.replace("predict", "chat_completions")))
    assert body(post(found, "/v1/chat/completions")) == {"$ref": "#/components/schemas/Ask"}
    assert "/v1/completions" in found["paths"]
    assert "anyOf" in body(post(found))


class Ask(BaseModel):
    text: str


def engine_with_models() -> FastAPI:
    """Its routes have models of their own, as vLLM's have."""
    app = FastAPI()

    async def chat(ask: Ask) -> None: ...

    app.add_api_route("/v1/chat/completions", chat, methods=["POST"])
    return app


def program(folder: Path, script: str = "") -> Program:
    return load_program(Settings(SAGEMAKER_MODEL_PATH=folder, CUSTOM_SCRIPT_FILENAME=script or None))


def test_the_models_of_an_engine_keep_their_names(tmp_path: Path) -> None:
    """And its own words for a body stand in for ours."""
    app = engine_with_models()
    describe(app)
    before = json.dumps(app.openapi()["components"]["schemas"]["Ask"])
    set_source(app, ApiSource(program(SCRIPTS, "typed_answer.py"), {"messages": "/v1/chat/completions"}, "predict"))
    found = app.openapi()
    validate(found)
    assert json.dumps(found["components"]["schemas"]["Ask"]) == before
    assert body(post(found)) == {"$ref": "#/components/schemas/Ask-2"}
    assert body(post(found, "/v1/chat/completions")) == {"$ref": "#/components/schemas/Ask"}
    set_source(app, ApiSource(program(tmp_path), {"messages": "/v1/chat/completions", "new": "/new"}, "predict"))
    found = app.openapi()
    assert body(post(found)) == {"anyOf": [{"$ref": "#/components/schemas/Ask"}, {}]}
    assert "Ask-2" not in found["components"]["schemas"]
    assert app.openapi() is app.openapi()


RESHAPES = """
import handrail

@handrail.input_formatter
async def reshape(request):
    return request
"""


DEFINITION = """key: k
display_name: K
task: {task}
config:
  connection_type: custom_inference
  run_inference_snippet: !include run.py
"""


@pytest.mark.parametrize(
    ("task", "shape"),
    [("chat_completion", {"required": ["messages"]}), ("embeddings", {"type": "array"}), ("custom", {})],
)
def test_a_definition_takes_what_its_task_takes(task: str, shape: dict[str, Any], tmp_path: Path) -> None:
    """Whatever its snippet is."""
    (tmp_path / "model.yaml").write_text(DEFINITION.format(task=task))
    (tmp_path / "run.py").write_text("def run_inference(body, environment): return body\n")
    app = FastAPI()
    describe(app)
    set_source(app, ApiSource(program(tmp_path), {}, "predict"))
    found = app.openapi()
    validate(found)
    assert shape.items() <= body(post(found)).items()
    assert "run_inference" in post(found)["summary"]


@pytest.mark.parametrize("formatter", [True, False])
async def test_a_formatter_may_change_what_is_taken(formatter: bool, tmp_path: Path) -> None:
    """Which the description says, as nobody can know to what."""
    source = (SCRIPTS / "typed_answer.py").read_text()
    if formatter:
        source += (
            "\n\nimport handrail\n\n\n@handrail.input_formatter\nasync def reshape(request):\n    return request\n"
        )
    (tmp_path / "model.py").write_text(source)
    said = post(await document(tmp_path))["description"]
    assert ("reshape of the script stand" in said) == formatter


def test_a_contract_fits_anything_where_nobody_says() -> None:
    assert Contract({}).fits(object())
