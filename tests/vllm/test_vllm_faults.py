"""Real vLLM that dies, hangs, is left by its clients, or is told to stop while it works; seen from outside."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from conftest import FLAGS, MODEL

from tests.servers import PATIENCE_S, SCRIPTS, Served, eventually

pytestmark = pytest.mark.vllm

LONG: dict[str, Any] = {"prompt": "a", "max_tokens": 480, "ignore_eos": True}
Start = Callable[..., Served]
#: For as many tokens as a machine of two cores makes in half a minute, where it is busy with other work as well.
_SLOW_S = 200


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    servers: list[Served] = []

    def begin(**given: str) -> Served:
        script = {"CUSTOM_SCRIPT_FILENAME": "asks_engine_after_a_while.py", "SM_VLLM_MODEL": str(MODEL)}
        servers.append(Served(SCRIPTS, tmp_path / "log", **FLAGS, **script, **given))
        return servers[0].ready(4 * PATIENCE_S)

    yield begin
    for served in servers:
        served.process.kill()
        served.process.wait()
        served.http.close()


def gauge(served: Served, name: str) -> float:
    found = re.search(rf"^{name}(?:{{.*}})? ([0-9.e+]+)$", served.http.get("/metrics").text, re.MULTILINE)
    assert found, f"{name} is not in /metrics"
    return float(found[1])


def running(served: Served) -> float:
    return gauge(served, "vllm:num_requests_running") + gauge(served, "vllm:num_requests_waiting")


def ask(served: Served, path: str, body: dict[str, Any], timeout: float = PATIENCE_S) -> httpx.Response:
    return httpx.post(f"{served.url}{path}", json=body, timeout=timeout, trust_env=False)


def engine_core(served: Served) -> psutil.Process:
    (core,) = [p for p in psutil.Process(served.process.pid).children(recursive=True) if "EngineCore" in p.name()]
    return core


def leave_after(seconds: float, served: Served, path: str, body: dict[str, Any]) -> None:
    """A client that hangs up: while it waits for an answer, or in the middle of a stream."""
    with (
        httpx.Client(trust_env=False, timeout=httpx.Timeout(PATIENCE_S, read=seconds)) as client,
        client.stream("POST", f"{served.url}{path}", json=body) as answer,
    ):
        next(answer.iter_raw())


def test_clients_that_leave_a_busy_engine_and_its_death(start: Start) -> None:
    """One server's story: left by its clients it is idle within a second; saturated it is healthy; dead, every request
    in flight is answered, and it exits with 5."""
    served = start()
    leaves(served, "/invocations", LONG)
    leaves(served, "/invocations", {**LONG, "stream": True})
    leaves(served, "/v1/completions", LONG)
    leaves(served, "/v1/completions", {**LONG, "stream": True})
    is_healthy_while_saturated(served)
    answers_everybody_when_it_dies(served)


def leaves(served: Served, path: str, body: dict[str, Any]) -> None:
    many = {**body, "n": 8} if body.get("stream") else {**body, "n": 64}
    if body.get("stream"):
        leave_after(PATIENCE_S, served, path, many)
    else:
        with pytest.raises(httpx.ReadTimeout):
            leave_after(0.2, served, path, many)
    eventually(lambda: running(served) == 0, f"the engine to be idle after {path}", 1.5)


def is_healthy_while_saturated(served: Served) -> None:
    with ThreadPoolExecutor(16) as clients:
        asked = [clients.submit(ask, served, "/invocations", {**LONG, "n": 8}) for _ in range(16)]
        pings = []
        while not all(each.done() for each in asked):
            began = time.monotonic()
            pings.append((served.http.get("/ping").status_code, time.monotonic() - began))
        assert {each.result().status_code for each in asked} == {200}
    assert {status for status, _ in pings} == {200}
    assert max(seconds for _, seconds in pings) < 2


def answers_everybody_when_it_dies(served: Served) -> None:
    with ThreadPoolExecutor(16) as clients:
        whole = [clients.submit(ask, served, "/invocations", {**LONG, "n": 16}) for _ in range(4)]
        routes = [clients.submit(ask, served, "/v1/completions", {**LONG, "n": 16}) for _ in range(4)]
        streams = [clients.submit(ask, served, "/invocations", {**LONG, "n": 16, "stream": True}) for _ in range(4)]
        later = clients.submit(ask, served, "/invocations", {**LONG, "seconds": 2})
        eventually(lambda: running(served) >= 12, "the engine to work on them")
        engine_core(served).send_signal(signal.SIGKILL)
        killed = time.monotonic()
        eventually(lambda: served.http.get("/ping").status_code == 503, "/ping to be 503", 2)
        check_failed(whole + routes, streams)
        assert later.result().status_code == 503
    assert served.exit_code() == 5
    assert time.monotonic() - killed < 10
    assert "handrail: the engine died: its process EngineCore was ended by SIGKILL" in served.stderr


def check_failed(whole: list[Future[httpx.Response]], streams: list[Future[httpx.Response]]) -> None:
    for each in whole:
        assert each.result().status_code in (500, 503)
        assert each.result().json()["error"]["message"]
    for each in streams:
        text = each.result().text
        assert each.result().status_code >= 500 or '"error"' in text


def test_log_probabilities_need_no_compiler(start: Start, tmp_path: Path) -> None:
    """vLLM has torch compile how their ranks are counted, once somebody asks for them: 20 s in which the engine stands
    still, or its death where there is no compiler, as in an image."""
    served = start(CXX="/nowhere/c++", TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "compiled"))
    asked = {"prompt": "a", "max_tokens": 4, "ignore_eos": True, "logprobs": 2}
    answer = ask(served, "/v1/completions", asked)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["choices"][0]["logprobs"]["top_logprobs"]) == 4


def test_bfloat16_is_served_where_the_cpu_has_amx(start: Start) -> None:
    """vLLM's attention does not ask the kernel for its tiles, and a short first pass asks for none."""
    served = start(SM_VLLM_DTYPE="bfloat16")
    assert ask(served, "/v1/completions", {"prompt": "a", "max_tokens": 4}).status_code == 200


def test_a_hung_engine_is_told_from_a_busy_one_and_ends_the_server(start: Start) -> None:
    """Stopped, it is silent: after HANDRAIL_STALL_S /ping is 503, who waits is answered, and the exit status is 5."""
    served = start(HANDRAIL_STALL_S="3")
    assert ask(served, "/invocations", LONG).status_code == 200
    with ThreadPoolExecutor(2) as clients:
        asked = clients.submit(ask, served, "/invocations", {**LONG, "n": 64})
        eventually(lambda: running(served) > 0, "the engine to work on it")
        engine_core(served).send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        assert served.http.get("/ping").status_code == 200
        answer = asked.result()
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "engine_dead"
    assert "HANDRAIL_STALL_S" in answer.json()["error"]["message"]
    assert served.exit_code() == 5
    assert 3 <= time.monotonic() - stopped < 15


def test_what_is_in_flight_is_finished_before_it_stops(start: Start) -> None:
    """SIGTERM with 24 requests under way, streams among them: each is answered whole, and the exit status is 0. The
    drain is as long as a slow machine takes for them."""
    served = start(HANDRAIL_DRAIN_S=str(_SLOW_S))
    with ThreadPoolExecutor(24) as clients:
        asked = [
            clients.submit(ask, served, path, {**LONG, "n": 4, "stream": stream}, _SLOW_S)
            for path in ("/invocations", "/v1/completions")
            for stream in (False, True)
            for _ in range(6)
        ]
        eventually(lambda: running(served) > 0, "the engine to work on them")
        eventually(lambda: gauge(served, "handrail_in_flight") == 24, "all of them to be in flight")
        served.signal()
        answers = [each.result() for each in asked]
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.text.endswith("data: [DONE]\n\n") for answer in answers) == 12
    assert served.exit_code() == 0
