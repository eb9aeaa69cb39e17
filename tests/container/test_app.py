from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from handrail_container import __version__
from handrail_container.app import create_app, create_gate, load_program, open_backend, open_gate
from handrail_container.engine.echo import Pace
from handrail_container.engine.echo_backend import EchoBackend
from handrail_container.errors import SettingsError
from handrail_container.gate import Gate
from handrail_container.lifecycle import Lifecycle, State
from handrail_container.settings import Settings

from tests.conftest import Launch


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
    open_gate(gate, app, backend, load_program(given), given)
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
    assert record.getMessage() == "a bug in Handrail, request_id=bug-1"
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
    assert http.get("/").json() == {"name": "handrail", "version": __version__, "state": "ready", "reason": "ready"}
    assert http.head("/").status_code == 200
