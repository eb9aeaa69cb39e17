from __future__ import annotations

import logging
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from handrail_container.engine.echo.backend import EchoBackend
from handrail_container.engine.echo.client import Pace
from handrail_container.gate.gate import Gate
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.process.exits import SettingsError
from handrail_container.program.load import load_program
from handrail_container.routes.application import create_app
from handrail_container.routes.table import routes
from handrail_container.server.composition import create_gate, open_backend
from handrail_container.settings.fields import Settings

from tests.conftest import Launch
from tests.servers import Served, eventually


def settings(model_path: Path, **given: Any) -> Settings:
    return Settings(**{"SAGEMAKER_MODEL_PATH": model_path, **given})


@pytest.mark.parametrize("engine", ["echo", "none"])
def test_the_engine_is_the_one_that_is_named(tmp_path: Path, engine: str) -> None:
    """Without a model: these need none."""
    assert open_backend(settings(tmp_path, HANDRAIL_ENGINE=engine), None).name == engine


def test_vllm_gets_the_model_and_its_flags(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened, not started: vLLM itself is not needed for that."""
    monkeypatch.setattr(tempfile, "tempdir", str(weights))
    given = settings(weights, **{"SM_VLLM_<FLAG>": {"SM_VLLM_MODEL": "org/name", "SM_VLLM_SEED": "1"}})
    assert open_backend(given, None).name == "vllm"


def test_vllm_without_a_model_is_refused(tmp_path: Path) -> None:
    """Before anything is started."""
    with pytest.raises(SettingsError, match="No model"):
        open_backend(settings(tmp_path), None)


def test_the_fallback_model_is_for_where_nothing_names_one(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--default-model`."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert open_backend(settings(tmp_path / "empty"), weights).name == "vllm"


class Faulty(EchoBackend):
    """An engine with a route that fails, before its first byte or after it."""

    async def start(self, app: FastAPI) -> None:
        await super().start(app)
        app.add_api_route("/v1/broken", self.broken)

    async def broken(self) -> None:
        raise ZeroDivisionError("a bug")


async def composed(model_path: Path, backend: EchoBackend) -> Gate:
    """Everything that stands behind the listener, ready."""
    given, lifecycle = settings(model_path), Lifecycle()
    gate, app = create_gate(given, lifecycle), create_app(backend)
    await backend.start(app)
    gate.open(app, routes(app, backend, load_program(given), given, gate))
    for state in (State.LOADING, State.WARMING, State.READY):
        lifecycle.move(state, str(state))
    return gate


async def test_a_bug_is_500_and_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The client gets the request id, the log the traceback under it."""
    caplog.set_level(logging.ERROR)
    gate = await composed(tmp_path, Faulty(Pace(), "echo"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://gate", verify=False) as client:
        answer = await client.get("/v1/broken", headers={"X-Request-Id": "bug-1"})
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "message": "an internal error of Handrail; the log has it under the request id",
        "type": "internal_server_error",
        "code": 500,
        "request_id": "bug-1",
    }
    (record,) = [record for record in caplog.records if record.name == "handrail"]
    assert record.getMessage() == "the engine's '/v1/broken' raised, request_id=bug-1"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


def test_the_engine_client_and_the_facade_are_where_handlers_look(serving: Launch) -> None:
    """`request.app.state.engine_client`, and a parameter annotated `handrail.Engine`."""
    prompt = {"prompt": "one two three four"}
    assert serving("generates.py").http.post("/invocations", json=prompt).json() == {"text": "one two three"}
    answer = serving("engine_parameter.py").http.post("/invocations", json=prompt).json()
    assert answer["choices"][0]["text"] == prompt["prompt"]


def test_metrics_are_prometheus_text_with_the_user_s_own(serving: Launch) -> None:
    """The default registry."""
    http = serving("generates.py").http
    http.post("/invocations", json={"prompt": "p"})
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "cakes_total" in answer.text
    assert "python_info" in answer.text


def test_the_root_says_what_this_is_and_how_it_fares(serving: Launch) -> None:
    """Name, version, state, reason."""
    http = serving().http
    assert http.get("/").json() == {
        "name": "handrail",
        "version": version("handrail"),
        "state": "ready",
        "reason": "ready",
    }
    assert http.head("/").status_code == 200


@pytest.fixture(scope="module")
def surrounded(serving: Launch) -> Served:
    return serving("surrounded.py")


CHAT = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("path", "signs"),
    [
        ("/invocations", {"x-throttle", "x-signed"}),
        ("/v1/chat/completions", {"x-throttle", "x-signed"}),
        ("/ping", {"x-signed"}),
        ("/health", set()),
        ("/metrics", set()),
        ("/", set()),
    ],
)
def test_where_the_user_s_code_stands(surrounded: Served, path: str, signs: set[str]) -> None:
    """The throttle around handlers and the engine, the formatters around /ping as well, neither around ours."""
    method, body = ("POST", CHAT) if path in ("/invocations", "/v1/chat/completions") else ("GET", None)
    answer = surrounded.http.request(method, path, json=body)
    assert answer.status_code == 200
    assert {"x-throttle", "x-signed"} & set(answer.headers) == signs
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("caller", "path", "status", "said"),
    [
        ("greedy", "/invocations", 429, "down"),
        ("greedy", "/v1/chat/completions", 429, "down"),
        ("greedy", "/ping", 200, ""),
        ("unknown", "/invocations", 401, "who are you?"),
        ("unknown", "/v1/chat/completions", 401, "who are you?"),
        ("unknown", "/ping", 503, "who are you?"),
        ("broken", "/invocations", 500, "check raised KeyError: 'no such caller' ("),
        ("broken", "/ping", 503, "check raised KeyError: 'no such caller' ("),
        ("unknown", "/health", 200, ""),
    ],
)
def test_what_stands_around_may_refuse(surrounded: Served, caller: str, path: str, status: int, said: str) -> None:
    """An HTTPException keeps its status, anything else is a 500 with the line; at /ping every failure is a 503."""
    method = "GET" if path in ("/ping", "/health") else "POST"
    answer = surrounded.http.request(method, path, json=CHAT, headers={"X-Caller": caller})
    assert answer.status_code == status
    assert said in answer.text


def test_what_is_slow_around_a_ping_is_a_503(surrounded: Served) -> None:
    """Within about a second: the platform waits two."""
    began = time.monotonic()
    answer = surrounded.http.get("/ping", headers={"X-Caller": "slow"})
    assert answer.status_code == 503
    assert "took over 1 s" in answer.json()["error"]["message"]
    assert time.monotonic() - began < 5


def test_a_stream_stays_a_stream(surrounded: Served) -> None:
    """Item by item through the throttle and the formatter, not at the end."""
    came: list[float] = []
    with surrounded.http.stream("POST", "/invocations", json={"do": "stream"}) as answer:
        assert answer.headers["x-signed"] == "yes"
        assert answer.headers["x-throttle"] == "passed"
        came += [time.monotonic() for line in answer.iter_lines() if line.startswith("data:")]
    assert len(came) == 6
    assert came[-1] - came[0] > 0.15


def test_a_client_that_leaves_is_seen_through_what_stands_around(surrounded: Served) -> None:
    """The generator is closed."""
    before = len(surrounded.http.post("/invocations", json={"do": "left"}).json())
    with surrounded.http.stream("POST", "/invocations", json={"do": "endless"}) as answer:
        next(answer.iter_text())
    gone = lambda: len(surrounded.http.post("/invocations", json={"do": "left"}).json()) > before  # noqa: E731
    eventually(gone, "the generator to be closed")


def test_a_stream_that_fails_under_what_stands_around_is_the_handler_s_failure(surrounded: Served) -> None:
    """It is cut for the client; the log names the handler, and nobody who stands around it."""
    with pytest.raises(httpx.RemoteProtocolError):
        surrounded.http.post("/invocations", json={"do": "text_fails"}, headers={"X-Request-Id": "cut-1"})
    surrounded.says("answer raised ValueError at")
    surrounded.http.get("/ping")
    assert [line for line in surrounded.stderr.splitlines() if "StreamCut" in line] == []
