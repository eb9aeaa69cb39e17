"""A replica, called as Ray Serve calls it, on the echo engine."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from handrail_container.process import children, logs
from handrail_container.process.exits import EngineDeadError, ExitCode, SettingsError
from handrail_container.ray.replica import Replica, ReplicaFailed
from handrail_container.settings import environment

from tests.servers import SCRIPTS

CHAT = {"messages": [{"role": "user", "content": "one two three"}]}
Begin = Callable[..., AbstractAsyncContextManager[tuple[Replica, httpx.AsyncClient]]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Replica]:
    """One that leaves this process's log and environment as they were."""
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))

    def replica(script: str | None = None, **variables: str) -> Replica:
        given = {"HANDRAIL_ENGINE": "echo", "SAGEMAKER_MODEL_PATH": str(SCRIPTS if script else SCRIPTS / "none")}
        if script:
            given["CUSTOM_SCRIPT_FILENAME"] = script
        return Replica({**given, **variables})

    return replica


@pytest.fixture
def begun(make: Callable[..., Replica]) -> Begin:
    @asynccontextmanager
    async def begin(script: str | None = None, **variables: str) -> AsyncIterator[tuple[Replica, httpx.AsyncClient]]:
        replica = make(script, **variables)
        await replica.begin()
        transport = httpx.ASGITransport(replica.entrance)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://replica") as http:
                yield replica, http
        finally:
            await replica.end()

    return begin


async def test_it_serves(begun: Begin) -> None:
    async with begun() as (replica, http):
        answer = await http.post("/invocations", json=CHAT)
        assert answer.json()["choices"][0]["message"]["content"] == "one two three"
        assert (await http.get("/ping")).status_code == 200
        assert 'handrail_invocations_total{outcome="ok"} 1.0' in (await http.get("/metrics")).text
        await replica.check_health()
    assert replica.lifecycle.state == "stopped"


async def test_what_has_ended_ends_no_more(begun: Begin, make: Callable[..., Replica]) -> None:
    """Serve ends a replica also where its start has failed, and so has ended it."""
    async with begun() as (replica, _):
        await replica.end()
    failed = make("startup_hook_fails.py")
    with pytest.raises(ReplicaFailed):
        await failed.begin()
    await failed.end()
    assert (replica.lifecycle.state, failed.lifecycle.state) == ("stopped", "stopped")


async def test_among_others_it_has_their_metrics_too(begun: Begin) -> None:
    async with begun() as (replica, http):

        async def expositions() -> dict[str, str]:
            return {"this": replica.exposition(), "other": replica.exposition()}

        replica.share(expositions)
        text = (await http.get("/metrics")).text
        for name in ("this", "other"):
            assert f'handrail_in_flight{{replica="{name}"}} 0.0' in text
        assert text.count("# TYPE handrail_in_flight gauge") == 1
        assert 'handrail_invocation_seconds_bucket{le="+Inf",replica="this"}' in text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/adapters"),
        ("DELETE", "/adapters/poet"),
        ("POST", "/v1/load_lora_adapter"),
        ("POST", "/v1/unload_lora_adapter"),
    ],
)
@pytest.mark.parametrize("script", [None, "own_adapters_plain.py"])
async def test_among_others_it_takes_no_adapter_for_itself(
    begun: Begin, script: str | None, method: str, path: str
) -> None:
    async with begun(script) as (_, http):
        assert (await http.request(method, path, json={})).status_code != 501
    async with begun(script, HANDRAIL_RAY_MAX_REPLICAS="2") as (_, http):
        answer = await http.request(method, path, json={})
        assert answer.status_code == 501
        message = answer.json()["error"]["message"]
        assert message.startswith("HANDRAIL_RAY_MAX_REPLICAS is 2, and only one of them would change its adapters")
        assert (await http.get("/adapters")).json() == {"adapters": []}


async def test_each_has_the_code_of_the_adapters_of_the_start(begun: Begin) -> None:
    loud = f"loud={SCRIPTS.parent / 'adapters' / 'shouts'}"
    async with begun(SM_VLLM_LORA_MODULES=loud, HANDRAIL_RAY_MAX_REPLICAS="2") as (replica, http):
        answers = [await http.post("/invocations", json={"prompt": "one", "model": name}) for name in ("loud", "echo")]
        assert [one.json()["choices"][0]["text"] for one in answers] == ["ONE LOUDLY", "one"]
        replica._backend.adapters.put_code("loud", None)  # the process of the tests goes on


@pytest.mark.parametrize(
    ("script", "status", "says"),
    [
        ("raises_on_import.py", 3, "raises_on_import.py"),
        ("startup_hook_fails.py", 3, "no index"),
        ("opens_engine_sessions.py", 2, "open_session"),
    ],
)
async def test_a_start_that_fails_says_so(make: Callable[..., Replica], script: str, status: int, says: str) -> None:
    with pytest.raises(ReplicaFailed) as failed:
        await make(script, HANDRAIL_RAY_REPLICAS="2").begin()
    assert str(failed.value).startswith(f"exit status {status}: ")
    assert says in str(failed.value)


async def test_an_engine_that_does_not_start_says_so(
    make: Callable[..., Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = make()

    def refuse() -> None:
        raise SettingsError("SM_VLLM_X is no flag")

    monkeypatch.setattr(replica._backend, "prepare", refuse)
    with pytest.raises(ReplicaFailed, match="exit status 2: handrail: SM_VLLM_X is no flag"):
        await replica.begin()


async def test_a_bug_of_ours_is_one(make: Callable[..., Replica], monkeypatch: pytest.MonkeyPatch) -> None:
    replica = make()
    monkeypatch.setattr(replica._backend, "prepare", lambda: 1 // 0)
    with pytest.raises(ReplicaFailed, match="exit status 1: handrail: ZeroDivisionError"):
        await replica.begin()


async def until(happens: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not happens():
            await asyncio.sleep(0.01)


async def dead() -> None:
    raise EngineDeadError("the engine died: no reason")


async def test_an_engine_that_dies_ends_the_process(begun: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """After what is in flight; Serve's own look at it fails from then on."""
    codes: list[int] = []
    monkeypatch.setattr(children, "exit_with", codes.append)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    async with begun() as (replica, http):
        monkeypatch.setattr(replica._backend, "check_health", dead)
        await until(lambda: codes)
        assert codes == [ExitCode.ENGINE_DEAD]
        with pytest.raises(EngineDeadError, match="no reason"):
            await replica.check_health()
        assert (await http.post("/invocations", json=CHAT)).json()["error"]["type"] == "engine_dead"


async def test_what_takes_longer_than_the_drain_is_told(begun: Begin) -> None:
    async with begun("who_answers.py", HANDRAIL_DRAIN_S="0.1") as (replica, http):
        asking = asyncio.create_task(_post(http, {"seconds": 60}))
        await until(lambda: replica._gate.requests.total)
        await replica.drain()
        answer = await asking
        assert (answer.status_code, answer.json()["error"]["type"]) == (503, "draining")


async def _post(http: httpx.AsyncClient, body: object) -> httpx.Response:
    return await http.post("/invocations", json=body)


async def test_a_drain_waits_for_what_ends_in_time(begun: Begin) -> None:
    async with begun("who_answers.py") as (replica, http):
        asking = asyncio.create_task(_post(http, {"seconds": 0.1}))
        await until(lambda: replica._gate.requests.total)
        await replica.drain()
        assert (await asking).json() == {"pid": os.getpid()}
        assert replica.lifecycle.is_ready


async def test_its_traces_end_with_it(begun: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry")
    async with begun(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1") as (replica, http):
        assert (await http.post("/invocations", json=CHAT)).status_code == 200
        tracing = replica._tracing
        assert tracing is not None
        closed: list[bool] = []

        async def close() -> None:
            closed.append(True)

        monkeypatch.setattr(tracing, "close", close)
    assert closed == [True]


def test_settings_reach_another_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of the command line and of the environment, and what belongs to vLLM and to a script."""
    for name in list(os.environ):
        if name.startswith(environment._PASSED_ON):
            monkeypatch.delenv(name)
    given = {"HANDRAIL_API_KEY": "key", "SM_VLLM_SEED": "1", "TRUSS_SECRET_A": "b", "LOG_LEVEL": "ERROR"}
    for name, value in {**given, "UNRELATED": "x"}.items():
        monkeypatch.setenv(name, value)
    passed = environment.variables_for_replica(environment.read(model_path=tmp_path, engine="echo"))
    assert passed == {**given, "HANDRAIL_ENGINE": "echo", "SAGEMAKER_MODEL_PATH": str(tmp_path)}


def test_the_command_lines_word_reaches_it_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where it is what would be so anyway, and the environment says otherwise."""
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "9000")
    monkeypatch.setenv("HANDRAIL_RAY_GPUS", "")
    passed = environment.variables_for_replica(environment.read(model_path=tmp_path, port=8080))
    assert (passed["SAGEMAKER_BIND_TO_PORT"], passed["HANDRAIL_RAY_GPUS"]) == ("8080", "")
