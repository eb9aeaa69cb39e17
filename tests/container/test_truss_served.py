"""A Truss Model behind the server: its routes, its health, and what it may not do, on the echo engine."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, run

PLAIN = SCRIPTS / "truss_plain"
ECHO = {"HANDRAIL_ENGINE": "echo"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "api_key").write_text("s3cret")
    served = Served(PLAIN, secrets / "log", HANDRAIL_SECRETS_PATH=str(secrets), **ECHO)
    yield served.ready()
    served.stop()


@pytest.mark.parametrize("path", ["/invocations", "/predict", "/v1/models/any:predict", "/v1/models/a:predict_binary"])
def test_predict_has_many_names(plain: Served, path: str) -> None:
    answer = plain.http.post(path, json={"a": 1}).json()
    assert (answer["input"], answer["path"], answer["secret"]) == ({"a": 1}, path, "s3cret")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/any", 200),
        ("GET", "/v1/models/any/loaded", 200),
        ("GET", "/v1/models/any/schema", 404),
        ("GET", "/v1/models/any:predict", 405),
        ("POST", "/v1/models/any", 405),
        ("GET", "/v1/models/any/else", 404),
        ("GET", "/v1/models", 200),
        ("GET", "/sync/v1/models", 200),
        ("GET", "/predict", 405),
        ("GET", "/ping", 200),
    ],
)
def test_truss_routes_beside_the_engines(plain: Served, method: str, path: str, status: int) -> None:
    assert plain.http.request(method, path).status_code == status


@pytest.mark.parametrize("prefix", ["", "/sync"])
def test_a_route_is_the_models_or_the_engines(plain: Served, prefix: str) -> None:
    """The method's where the Model defines it, else predict's: what predict checks is bypassed nowhere."""
    own = plain.http.post(f"{prefix}/v1/completions", json={"prompt": "mine"}).json()
    assert own["choices"][0]["text"] == "from the Model"
    chat = {"messages": [{"role": "user", "content": "predict's"}]}
    for path in ("/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/v1/responses"):
        assert plain.http.post(f"{prefix}{path}", json=chat).json()["input"] == chat, path
    for path in ("/v1/chat/completions/batch", "/inference/v1/generate", "/pooling"):
        refused = plain.http.post(f"{prefix}{path}", json=chat)
        assert (refused.status_code, "MODEL_ROUTES=engine" in refused.text) == (404, True), path


def test_is_healthy_is_asked_anew(launch: Launch, tmp_path: Path) -> None:
    """A Model that has just turned sick is not said to be well."""
    lines = (
        "class Model:",
        "    well = True",
        "    def predict(self): Model.well = False",
        "    def is_healthy(self):",
    )
    (tmp_path / "model.py").write_text("\n".join((*lines, "        return self.well")))
    served = launch(tmp_path).ready()
    assert served.http.get("/v1/models/model").status_code == 200
    served.http.post("/invocations", json={})
    assert served.http.get("/v1/models/model").status_code == 503


def test_a_model_cleans_up_after_its_client_has_left(launch: Launch, tmp_path: Path) -> None:
    """It asks once a second, as Truss's own do."""
    (tmp_path / "model.py").write_text(
        "import asyncio\nfrom fastapi import Request\n\n\nclass Model:\n    cleaned = asyncio.Event()\n\n"
        "    async def predict(self, request: Request):\n        while not await request.is_disconnected():\n"
        "            await asyncio.sleep(1)\n        self.cleaned.set()\n\n"
        "    async def chat_completions(self):\n        await self.cleaned.wait()\n        return 'clean'\n"
    )
    served = launch(tmp_path).ready()
    with pytest.raises(httpx.ReadTimeout):
        served.http.post("/invocations", json={}, timeout=0.2)
    assert served.http.post("/v1/chat/completions", json={}).json() == "clean"


def test_a_bad_body_is_our_error(plain: Served) -> None:
    answer = plain.http.post("/predict", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "bad_request")
    raised = plain.http.post("/predict", json=5).json()["error"]
    assert raised["message"].startswith("Model.predict raised TypeError")


def test_a_strict_server_has_only_the_models_routes(launch: Launch) -> None:
    served = launch(PLAIN, HANDRAIL_MODEL_ROUTES="strict").ready()
    assert served.http.post("/v1/chat/completions", json={"messages": []}).status_code == 404
    assert served.http.post("/v1/completions", json={}).status_code == 200


def test_the_engine_answers_what_the_model_does_not_where_it_is_told_to(launch: Launch) -> None:
    served = launch(PLAIN, HANDRAIL_MODEL_ROUTES="engine").ready()
    chat = {"messages": [{"role": "user", "content": "hi"}]}
    assert served.http.post("/v1/chat/completions", json=chat).json()["object"] == "chat.completion"


def test_a_sick_model_is_not_closed(launch: Launch) -> None:
    """Probes hear of it; requests are answered, and `/health` speaks for the engine alone."""
    served = launch(PLAIN, SICK="yes")
    served.says("ready after")
    for path in ("/ping", "/v1/models/any"):
        assert "is_healthy" in served.http.get(path).json()["error"]["message"]
    assert served.http.get("/v1/models/any/loaded").status_code == 200
    assert served.http.get("/health").status_code == 200
    assert served.http.post("/invocations", json={"a": 1}).status_code == 200


def test_a_load_that_fails_is_exit_3_with_the_cause(launch: Launch) -> None:
    served = launch(SCRIPTS / "truss_fails")
    assert served.exit_code() == 3
    assert "model/model.py:6 Model.load failed: RuntimeError: no weights, try 2" in served.stderr


def test_check_shows_the_model_and_the_config_and_no_secret(tmp_path: Path) -> None:
    shutil.copytree(PLAIN, tmp_path, dirs_exist_ok=True)
    found = run("check", tmp_path, TRUSS_SECRET_api_key="s3cret", **ECHO)
    assert found.returncode == 0, found.stderr
    assert "async def predict(self, model_input, request)" in found.stdout
    assert "model_name: mapped: SM_VLLM_SERVED_MODEL_NAME=plain" in found.stdout
    assert "secrets: used" in found.stdout
    data = run("check", tmp_path, "--json", TRUSS_SECRET_api_key="s3cret", **ECHO).stdout
    assert '"predict": {' in data
    for text in (found.stdout, data):
        assert "s3cret" not in text
        assert "from the file" not in text


def test_check_refuses_what_serving_would(tmp_path: Path) -> None:
    """A field that cannot be done is a setting's fault, a file that cannot be read the program's."""
    (tmp_path / "config.yaml").write_text("trt_llm:\n  build:\n    quantization_type: fp4\n")
    refused = run("check", tmp_path, **ECHO)
    assert (refused.returncode, "config.yaml:3 trt_llm.build.quantization_type" in refused.stdout) == (2, True)
    (tmp_path / "config.yaml").write_text("a: 1\na: 2\n")
    assert run("check", tmp_path, **ECHO).returncode == 3


def test_an_edit_takes_a_route_away(launch: Launch, tmp_path: Path) -> None:
    """What the new Model does not define is the engine's again."""
    script = tmp_path / "model.py"
    script.write_text("class Model:\n    def predict(self): return 1\n    def completions(self): return 'mine'\n")
    served = launch(tmp_path, "--watch", HANDRAIL_MODEL_ROUTES="engine").ready()
    assert served.http.post("/v1/completions", json={"prompt": "a"}).json() == "mine"
    script.write_text("class Model:\n    def predict(self): return 2\n")
    served.says("reloaded in")
    assert served.http.post("/predict").json() == 2
    assert served.http.post("/v1/completions", json={"prompt": "a"}).json()["object"] == "text_completion"


def test_a_schema_of_annotations(launch: Launch, tmp_path: Path) -> None:
    shape = "from pydantic import BaseModel\nclass In(BaseModel):\n    a: int\n"
    (tmp_path / "model.py").write_text(f"{shape}class Model:\n    def predict(self, x: In): return x\n")
    served = launch(tmp_path).ready()
    assert served.http.get("/v1/models/m/schema").json()["input_schema"]["required"] == ["a"]
    assert served.http.post("/predict", json={"a": "x"}).status_code == 422


LEAKS = """
import logging

from fastapi import HTTPException


class Model:
    def __init__(self, secrets):
        self.secrets = secrets

    def predict(self, model_input):
        key = self.secrets["api_key"]
        logging.warning("the key is %s", key)
        if model_input == "http":
            raise HTTPException(409, {"key": key}, headers={"X-Key": key})
        if model_input == "cause":
            try:
                raise KeyError(key)
            except KeyError as error:
                raise RuntimeError("no such key") from error
        raise ValueError(f"bad key {key}")
"""


def test_a_secret_is_in_no_error_and_in_no_log(launch: Launch, tmp_path: Path) -> None:
    """Whoever says it: the Model's log, its exception, what that came from."""
    (tmp_path / "model.py").write_text(LEAKS)
    (tmp_path / "config.yaml").write_text("secrets:\n  api_key: null\n")
    served = launch(tmp_path, TRUSS_SECRET_api_key="s3cret-value").ready()
    raised = served.http.post("/predict", json=1)
    assert "Model.predict raised ValueError: bad key *** (" in raised.json()["error"]["message"]
    conflict = served.http.post("/predict", json="http")
    assert conflict.json()["error"]["detail"] == {"key": "***"}
    assert conflict.headers["x-key"] == "***"
    assert served.http.post("/predict", json="cause").status_code == 500
    served.says("the key is ***")
    served.says("KeyError: '***'")
    assert "s3cret-value" not in served.stderr


def test_a_secret_is_not_in_what_is_refused(launch: Launch, tmp_path: Path) -> None:
    """At the start, and after an edit."""
    init = "class Model:\n    def predict(self): ...\n    def __init__(self, secrets): {}\n"
    (tmp_path / "model.py").write_text(init.format("raise ValueError(secrets['a_key'])"))
    (tmp_path / "config.yaml").write_text("secrets:\n  a_key: s3cret-value\n")
    served = launch(tmp_path)
    assert served.exit_code() == 3
    assert "Model.__init__ failed: ValueError: ***" in served.stderr
    (tmp_path / "model.py").write_text(init.format("..."))
    edited = launch(tmp_path, "--watch").ready()
    (tmp_path / "model.py").write_text(init.format("raise ValueError(secrets['a_key'])"))
    edited.says("the edit was refused")
    for text in (served.stderr, edited.stderr):
        assert "s3cret-value" not in text.replace("raise ValueError(secrets['a_key'])", "")


HEALTH = """
import time


class Model:
    asked = 0

    def is_healthy(self):
        Model.asked += 1
        time.sleep(self.takes)
        return True

    def predict(self, model_input):
        return self.asked

    takes = {takes}
"""


def test_probes_do_not_ask_a_model_more_than_once_a_second(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(HEALTH.format(takes=0))
    served = launch(tmp_path).ready()
    before, began = served.http.post("/predict", json=1).json(), time.monotonic()
    for _ in range(20):
        assert served.http.get("/ping").status_code == 200
    asked = served.http.post("/predict", json=1).json() - before
    assert asked <= 1 + (time.monotonic() - began)


def test_a_model_that_does_not_say_how_it_is_is_not_waited_for(launch: Launch, tmp_path: Path) -> None:
    """SageMaker's probe waits for 2 s; requests go on."""
    (tmp_path / "model.py").write_text(HEALTH.format(takes=30))
    served = launch(tmp_path)
    served.says("ready after")
    began = time.monotonic()
    assert served.http.get("/ping").status_code == 503
    assert time.monotonic() - began < 15  # on an idle machine 1.5 s; what it must not be is 30
    assert served.http.post("/predict", json=1).json() == 1


NAMES = """
class Model:
    def __init__(self, engine):
        self.engine = engine

    async def predict(self, model_input):
        return await self.engine.chat_completions(model_input=model_input)
"""


@pytest.mark.parametrize(("setting", "status"), [("lenient", 200), ("strict", 404)])
def test_a_model_that_nobody_knows(launch: Launch, tmp_path: Path, setting: str, status: int) -> None:
    """HANDRAIL_MODEL_NAMES; the name that is served, and none at all, are good either way."""
    (tmp_path / "model.py").write_text(NAMES)
    served = launch(tmp_path, HANDRAIL_MODEL_NAMES=setting).ready()
    chat = {"messages": [{"role": "user", "content": "a"}]}
    answer = served.http.post("/predict", json={**chat, "model": "my-model"})
    assert answer.status_code == status
    assert ("`my-model` does not exist" in answer.text) is (status == 404)
    for known in (chat, {**chat, "model": "echo"}):
        assert served.http.post("/predict", json=known).status_code == 200


def test_the_environment_is_named_and_load_has_as_many_tries(launch: Launch, tmp_path: Path) -> None:
    """TRUSS_ENVIRONMENT, NUM_LOAD_RETRIES_TRUSS."""
    (tmp_path / "model.py").write_text(
        "class Model:\n"
        "    tries = 0\n"
        "    def __init__(self, environment): self.environment = environment\n"
        "    def setup_environment(self, environment): self.known = environment\n"
        "    def load(self):\n"
        "        Model.tries += 1\n"
        "        assert Model.tries > 2\n"
        "    def predict(self): return [self.environment, self.known, self.tries]\n"
    )
    served = launch(tmp_path, TRUSS_ENVIRONMENT="production", NUM_LOAD_RETRIES_TRUSS="2").ready()
    assert served.http.post("/predict").json() == [{"name": "production"}, {"name": "production"}, 3]
    assert run("check", tmp_path, NUM_LOAD_RETRIES_TRUSS="-1", **ECHO).returncode == 2


@pytest.mark.parametrize(
    ("told", "said", "line"),
    [
        ("preprocess", "Model.preprocess raised ValueError: raised in preprocess", 7),
        ("predict", "Model.predict raised ValueError: raised in predict", 12),
        ("predict by preprocess", "Model.predict raised ValueError: raised in preprocess", 7),
        ("postprocess", "Model.postprocess raised ValueError: raised in postprocess", 17),
        ("stream", "Model.postprocess raised ValueError: raised in the stream", 23),
        ("nan", "Model.postprocess raised ValueError: Out of range float values", 15),
    ],
)
def test_an_error_is_named_by_the_step_that_raised_it(serving: Launch, told: str, said: str, line: int) -> None:
    """Also what a step's answer is to blame for, and in the log."""
    served = serving("truss_step_fails.py")
    error = served.http.post("/invocations", json=told).json()["error"]
    assert error["message"].startswith(said)
    assert error["message"].endswith(f"/truss_step_fails.py:{line})")
    assert f"{said.partition(':')[0]} at {SCRIPTS}/truss_step_fails.py:{line}" in served.stderr
