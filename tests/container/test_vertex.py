"""Vertex AI's variables: the port, the health route, and predictions at the predict route."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from handrail_container.cli.check import check_program
from handrail_container.gate.lifecycle import State
from handrail_container.process.exits import SettingsError
from handrail_container.settings.environment import known, read

from tests.container.test_server import running
from tests.servers import SCRIPTS
from tests.toolkit.in_process import serving

ROUTE = "/v1/endpoints/1/deployedModels/2:predict"
HEALTH = "/v1/endpoints/1/deployedModels/2"
VERTEX: dict[str, Any] = {"AIP_PREDICT_ROUTE": ROUTE, "AIP_HEALTH_ROUTE": HEALTH}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model directory whose handler answers by the kind that a body names."""
    (tmp_path / "ml").mkdir()
    shutil.copy(SCRIPTS / "answers_by_kind.py", tmp_path / "ml" / "model.py")
    return tmp_path / "ml"


async def predicted(folder: Path, body: Any, path: str = ROUTE, **given: Any) -> httpx.Response:
    async with serving(folder, **{**VERTEX, **given}) as client:
        return await client.post(path, json=body)


async def test_the_engine_answers_each_instance(tmp_path: Path) -> None:
    """Text, the shape of TGI, and OpenAI's bodies, with the parameters where each has them."""
    chat = {"messages": [{"role": "user", "content": "a b c"}], "max_tokens": 2}
    instances = ["a b c", {"inputs": "a b c", "parameters": {"max_new_tokens": 1}}, chat]
    (tmp_path / "ml").mkdir()
    got = await predicted(tmp_path / "ml", {"instances": instances, "parameters": {"temperature": 0.5}})
    first, second, third = got.json()["predictions"]
    assert (first, second) == ({"generated_text": "a b c"}, {"generated_text": "a"})
    assert third["choices"][0]["message"]["content"] == "a b"


async def test_the_answers_come_in_the_order_of_the_instances(folder: Path) -> None:
    """Of more than are asked at once."""
    instances = [{"n": n} for n in range(100)]
    assert (await predicted(folder, {"instances": instances})).json() == {"predictions": instances}
    assert (await predicted(folder, {"instances": []})).json() == {"predictions": []}


PARAMETERS = [
    ({"x": 1}, {"x": 1, "parameters": {"k": 1}}),
    ("text", {"inputs": "text", "parameters": {"k": 1}}),
    ({"x": 1, "parameters": {"k": 2, "l": 3}}, {"x": 1, "parameters": {"k": 2, "l": 3}}),
    ({"x": 1, "parameters": {"l": 3}}, {"x": 1, "parameters": {"k": 1, "l": 3}}),
    ({"x": 1, "parameters": None}, {"x": 1, "parameters": {"k": 1}}),
    ({"x": 1, "parameters": "own"}, {"x": 1, "parameters": "own"}),
    ({"prompt": "a"}, {"prompt": "a", "k": 1}),
    ({"messages": [], "k": 2}, {"messages": [], "k": 2}),
]


async def test_parameters_are_added_to_what_an_instance_sets(folder: Path) -> None:
    instances, expected = [one for one, _ in PARAMETERS], [one for _, one in PARAMETERS]
    got = await predicted(folder, {"instances": instances, "parameters": {"k": 1}})
    assert got.json() == {"predictions": expected}


async def test_text_is_a_prediction_as_well(folder: Path) -> None:
    got = await predicted(folder, {"instances": [{"kind": "text"}, {"kind": "broken"}]})
    assert got.json() == {"predictions": ["plain", "{"]}


REFUSED = [
    ({"instances": {"a": 1}}, 400, "'instances' is no list"),
    ({"instances": [1], "parameters": [1]}, 400, "'parameters' is no object"),
    ({"instances": [1], "params": {}}, 400, '"params" is unknown beside'),
    ({"instances": ["a", {"stream": True}]}, 400, "instances[1] has 'stream'"),
    ({"instances": [1, {"kind": "refuses"}]}, 422, "instances[1]: too short"),
    ({"instances": [{"kind": "refuses_plainly"}]}, 503, "instances[0]: no room"),
    ({"instances": [{"kind": "raises"}]}, 500, "instances[0]: answer raised KeyError: 'x' ("),
    ({"instances": [{"kind": "image"}]}, 400, "instances[0] is answered with image/png, which is no JSON"),
    ({"instances": [{"kind": "stream"}]}, 400, "instances[0] is answered with text/event-stream"),
    ({"instances": [{"kind": "empty"}]}, 400, "instances[0] is answered with nothing"),
    ({"instances": [1] * 1025}, 400, "there are 1025 instances; HANDRAIL_MAX_N allows 1024"),
    ({"instances": [1] * 1000, "parameters": {"k": "x" * 3000}}, 400, "HANDRAIL_MAX_REPEATED_CHARS"),
]


@pytest.mark.parametrize(("body", "status", "says"), REFUSED, ids=[says for _, _, says in REFUSED])
async def test_what_is_no_prediction_is_an_error(folder: Path, body: Any, status: int, says: str) -> None:
    got = await predicted(folder, body)
    assert (got.status_code, says in got.json()["error"]["message"]) == (status, True), got.text


async def test_other_bodies_are_answered_as_at_invocations(folder: Path) -> None:
    """Of rawPredict: any JSON, any type, and streams."""
    async with serving(folder, **VERTEX) as client:
        assert (await client.post(ROUTE, json={"x": 1})).json() == {"x": 1}
        streamed = await client.post(ROUTE, json={"kind": "stream"})
        assert streamed.text == 'data: {"word":"a"}\n\ndata: {"word":"b"}\n\ndata: [DONE]\n\n'
        assert (await client.post(ROUTE, content=b"no JSON")).status_code == 422
        assert (await client.get(ROUTE)).status_code == 405


@pytest.mark.parametrize("path", ["/invocations", "/predict", "/", "/generate", "/vertex"])
async def test_the_route_may_be_one_of_ours(folder: Path, path: str) -> None:
    got = await predicted(folder, {"instances": [1]}, path, AIP_PREDICT_ROUTE=path)
    assert got.json() == {"predictions": [{"inputs": 1}]}


async def test_a_route_of_the_engine_stays_the_engine_s(folder: Path) -> None:
    body = {"messages": [{"role": "user", "content": "a"}]}
    got = await predicted(folder, body, "/v1/chat/completions", AIP_PREDICT_ROUTE="/v1/chat/completions")
    assert got.json()["choices"][0]["message"]["content"] == "a"


async def test_health_is_ping(folder: Path) -> None:
    """Without a key, which predictions need; and with GET alone."""
    async with serving(folder, **VERTEX, HANDRAIL_API_KEY="k") as client:
        for method in ("GET", "HEAD"):
            assert (await client.request(method, HEALTH)).status_code == 200
        assert (await client.get(HEALTH)).json() == {"status": "healthy"}
        assert (await client.post(HEALTH)).status_code == 401
        assert (await client.post(ROUTE, json={"instances": [1]})).status_code == 401


async def test_health_at_the_root_says_when_it_is_not_ready(tmp_path: Path) -> None:
    """`GET /` itself is 200 from the start on; `POST /` is a prediction."""
    given = {"AIP_HEALTH_ROUTE": "/", "AIP_PREDICT_ROUTE": "/"}
    async with running(tmp_path, **given, HANDRAIL_ENGINE="echo") as served:
        await served.answers(200, "/")
        got = await served.http.post("/", json={"instances": ["a b"]})
        assert got.json() == {"predictions": [{"generated_text": "a b"}]}
        served.server.lifecycle.move(State.DRAINING, "it drains")
        assert (await served.http.get("/")).status_code == 503
        served.server.lifecycle.move(State.STOPPED, "the test is over")
        served.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await served.task


WRONG = [
    ("AIP_PREDICT_ROUTE", "/ping", "AIP_PREDICT_ROUTE is '/ping', which answers something else"),
    ("AIP_PREDICT_ROUTE", "predict", "AIP_PREDICT_ROUTE is 'predict', which is no path: write one that begins with /"),
    ("AIP_PREDICT_ROUTE", "/predict?x=1", "which is no path"),
    ("AIP_HEALTH_ROUTE", "/invocations", "AIP_HEALTH_ROUTE is '/invocations', which answers something else"),
    ("AIP_HEALTH_ROUTE", "health", "AIP_HEALTH_ROUTE is 'health', which is no path"),
    ("AIP_HTTP_PORT", "http", "AIP_HTTP_PORT is 'http'"),
    ("AIP_HTTP_PORT", "70000", "AIP_HTTP_PORT is '70000'"),
]


@pytest.mark.parametrize(("name", "value", "says"), WRONG)
def test_a_route_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"AIP_") as refused:
        read()
    (problem,) = refused.value.problems
    assert says in problem


def test_the_two_routes_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/v1/x")
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/v1/x")
    with pytest.raises(SettingsError, match="as AIP_HEALTH_ROUTE is: choose two paths"):
        read()


def test_health_may_be_a_ping_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/ping")
    assert read().aip_health_route == "/ping"


def test_ours_come_before_the_platform_s_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIP_HTTP_PORT", "9001")
    monkeypatch.setenv("HF_MODEL_DIR", str(tmp_path))
    settings = read()
    assert (settings.port, settings.model_path) == (9001, tmp_path)
    rows = {row.name: (row.value, row.source) for row in known(settings, [])}
    assert rows["SAGEMAKER_BIND_TO_PORT"] == ("9001", "environment")
    assert read(port=9002).port == 9002
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "9003")
    monkeypatch.setenv("SAGEMAKER_MODEL_PATH", "/elsewhere")
    settings = read()
    assert (settings.port, settings.model_path) == (9003, Path("/elsewhere"))


def test_files_that_are_not_fetched_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_STORAGE_URI", "gs://bucket/model")
    (warning,) = check_program(model_path=folder, engine="echo").warnings
    assert warning.startswith("AIP_STORAGE_URI=gs://bucket/model is not fetched")
