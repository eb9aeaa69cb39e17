from __future__ import annotations

from pathlib import Path

import pytest
from handrail_container.cli.check import check_program
from handrail_container.gate.keys import Keys
from handrail_container.process.exits import SettingsError
from handrail_container.settings.environment import read

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, eventually

BEARER = {"Authorization": "Bearer k"}
KEYS = "old-key, new-key"


@pytest.fixture(scope="module")
def guarded(serving: Launch) -> Served:
    return serving("does_as_told.py", HANDRAIL_API_KEY=KEYS)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/invocations"),
        ("POST", "/predict"),
        ("GET", "/v1/models"),
        ("GET", "/sync/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/openapi.json"),
        ("DELETE", "/invocations"),
        ("GET", "/nowhere"),
        ("GET", "/x//ping"),
        ("GET", "/ping/"),
        ("GET", "/PING"),
    ],
)
def test_without_a_key_every_other_route_is_401(guarded: Served, method: str, path: str) -> None:
    """Before 404, 405 and 413 say anything of what there is."""
    answer = guarded.http.request(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["x-request-id"] == error["request_id"]
    guarded.says(f"request_id={error['request_id']}")


@pytest.mark.parametrize("path", ["/ping", "/health", "/", "/metrics"])
def test_what_a_platform_asks_needs_no_key(guarded: Served, path: str) -> None:
    """Nor does one do harm."""
    assert guarded.http.get(path).status_code == 200
    assert guarded.http.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 200


@pytest.mark.parametrize("given", ["Bearer old-key", "Bearer new-key", "bearer new-key", "Bearer  new-key"])
def test_each_key_is_good(guarded: Served, given: str) -> None:
    """While a key is rotated there are two; the scheme is of any case."""
    answer = guarded.http.post("/invocations", json={}, headers={"Authorization": given})
    assert (answer.status_code, answer.text) == (200, "nothing to do")


@pytest.mark.parametrize(
    "given",
    [
        b"old-key",
        b"Bearer",
        b"Basic old-key",
        b"Bearer old-key, new-key",
        b"Bearer OLD-KEY",
        b"Bearer \xff",
    ],
)
def test_another_key_is_401(guarded: Served, given: bytes) -> None:
    """No key, a part of one, all of them, or one that is no text."""
    answer = guarded.http.post("/invocations", json={}, headers={b"Authorization": given})
    assert answer.status_code == 401


def test_while_it_loads_a_key_is_asked_for_as_well(launch: Launch, tmp_path: Path) -> None:
    """The step that a server is at is not for everybody."""
    served = launch(tmp_path, HANDRAIL_API_KEY="k", HANDRAIL_ECHO_LOAD_S="30")
    assert served.first_answer().status_code == 503
    assert served.http.post("/invocations").status_code == 401
    assert served.http.post("/invocations", headers={"Authorization": "Bearer k"}).status_code == 503


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Bearer k"])
def test_why_it_is_not_ready_is_told_to_those_with_a_key(launch: Launch, tmp_path: Path, key: str) -> None:
    """A probe reads the status alone. Nor does `/` tell its version to everybody."""
    served = launch(tmp_path, HANDRAIL_API_KEY="k", HANDRAIL_ECHO_LOAD_S="30")
    served.first_answer()
    eventually(lambda: "engine is starting" in served.http.get("/", headers=BEARER).text, "the engine to load")
    knows = key == "Bearer k"
    for path in ("/ping", "/health"):
        answer = served.http.get(path, headers={"Authorization": key})
        error = answer.json()["error"]
        assert (answer.status_code, error["type"], "Retry-After" in answer.headers) == (503, "loading", True)
        assert ("engine" in error["message"]) == knows
    told = served.http.get("/", headers={"Authorization": key}).json()
    assert (told["state"], "version" in told, "reason" in told) == ("loading", knows, knows)


def test_what_a_ping_of_the_scripts_raises_is_told_to_those_with_a_key(launch: Launch) -> None:
    """It names a line of the program."""
    served = launch(SCRIPTS, CUSTOM_FASTAPI_PING_HANDLER="sick_ping.py:raising", HANDRAIL_API_KEY="k")
    served.first_answer()
    eventually(lambda: served.http.get("/", headers=BEARER).json()["state"] == "ready", "the server to be ready")
    stranger, known = served.http.get("/ping"), served.http.get("/ping", headers=BEARER)
    assert stranger.status_code == known.status_code == 503
    assert stranger.json()["error"]["message"] == "not now; the reason is told to those who send a key"
    assert "sick_ping.py:9" in known.json()["error"]["message"]


def test_no_key_is_in_the_log(guarded: Served) -> None:
    """Neither ours nor what somebody tried."""
    guarded.http.get("/v1/models", headers={"Authorization": "Bearer tried-key", "X-Request-Id": "trier"})
    guarded.says("request_id=trier")
    assert not any(key in guarded.stderr for key in ("old-key", "new-key", "tried-key"))


@pytest.mark.parametrize("protects", [True, False])
def test_metrics_ask_for_a_key_where_they_are_to(protects: bool) -> None:
    """HANDRAIL_PROTECT_METRICS."""
    keys = Keys(("k",), protects_metrics=protects)
    assert bool(keys.refusal("/metrics", {})) is protects
    assert keys.refusal("/metrics", {b"authorization": b"Bearer k"}) is None


def test_without_keys_everybody_may_ask() -> None:
    """The default."""
    keys = Keys()
    assert not keys
    assert keys.refusal("/invocations", {}) is None


def test_a_process_of_the_server_has_a_key_of_its_own() -> None:
    """A new one for each server, which no client's header happens to be."""
    keys, others = Keys(("k",)), Keys(("k",))
    own = {b"authorization": f"Bearer {keys.own}".encode()}
    assert keys.refusal("/v1/models", own) is None
    assert keys.is_own(own)
    assert others.refusal("/v1/models", own) is not None
    for given in (b"", b"Bearer", b"Bearer k", b"Basic " + keys.own.encode()):
        assert not keys.is_own({b"authorization": given})
    assert not Keys().is_own({})


@pytest.mark.parametrize("value", [",", "a,", "hunter2,,b", "hunter\t2", "hunter2é", " "])
def test_a_key_that_nobody_can_send_is_refused_unquoted(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The sentence must not be where the key leaks."""
    monkeypatch.setenv("HANDRAIL_API_KEY", value)
    with pytest.raises(SettingsError) as refused:
        read()
    (problem,) = refused.value.problems
    assert problem.startswith("HANDRAIL_API_KEY has a key that is empty, or has characters")
    assert "hunter2" not in problem


@pytest.mark.parametrize("where", ["the default path", "a variable of SageMaker's", "elsewhere", "no key"])
def test_check_warns_of_a_key_on_sagemaker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str) -> None:
    """It strips what clients send; on a laptop a key is nobody's mistake."""
    if where != "no key":
        monkeypatch.setenv("HANDRAIL_API_KEY", "hunter2")
    if where == "a variable of SageMaker's":
        monkeypatch.setenv("SAGEMAKER_SAFE_PORT_RANGE", "9000-9999")
    path = None if where == "the default path" else tmp_path
    report = check_program(model_path=path, engine="echo")
    warned = [warning for warning in report.warnings if warning.startswith("HANDRAIL_API_KEY is set, and SageMaker")]
    assert len(warned) == (where in ("the default path", "a variable of SageMaker's"))
    assert "hunter2" not in report.to_text() + report.to_json()


@pytest.mark.parametrize("ours", ["", "ours"])
def test_vllms_own_variable_for_a_key_guards_as_well(launch: Launch, tmp_path: Path, ours: str) -> None:
    """As it stands, with its commas; with HANDRAIL_API_KEY both are valid, and nothing else is."""
    served = launch(tmp_path, VLLM_API_KEY="their,key", HANDRAIL_API_KEY=ours).ready()
    keys = {"their,key": 200, "their": 401, "key": 401, "other": 401} | ({"ours": 200} if ours else {})
    for key, status in keys.items():
        for path in ("/v1/models", "/openapi.json"):
            assert served.http.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == status, key
    assert served.http.get("/v1/models").status_code == 401
    served.says("VLLM_API_KEY is valid here")
    assert "their,key" not in served.stderr


def test_with_the_engine_none_it_is_the_key_of_another_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A script asks a vLLM elsewhere: our own clients have no such key; and it is not shown."""
    monkeypatch.setenv("VLLM_API_KEY", "hunter2")
    report = check_program(model_path=tmp_path, engine="none")
    assert report.settings.api_keys == ()
    assert [warning for warning in report.warnings if warning.startswith("VLLM_API_KEY guards nothing")]
    assert "hunter2" not in report.to_text() + report.to_json()


def test_check_says_what_vllms_variables_do_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "hunter2")
    monkeypatch.setenv("VLLM_SERVER_DEV_MODE", "1")
    monkeypatch.setenv("SAGEMAKER_SAFE_PORT_RANGE", "9000-9999")
    said = check_program(model_path=tmp_path, engine="vllm").warnings
    for beginning in (
        "VLLM_API_KEY is valid here. Every",
        "VLLM_API_KEY is set, and SageMaker",
        "VLLM_SERVER_DEV_MODE has",
    ):
        assert [warning for warning in said if warning.startswith(beginning)], beginning


@pytest.mark.parametrize("value", ["hunter\t2", " "])
def test_a_key_of_vllms_that_nobody_can_send_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("VLLM_API_KEY", value)
    with pytest.raises(SettingsError, match="VLLM_API_KEY has a key that is empty, or has characters") as refused:
        read()
    assert "hunter" not in str(refused.value)
