"""`handrail serve --ray` on a cluster of its own: what clients see of two replicas, and of the loss of one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.on_ray.conftest import READY_S, fleet
from tests.servers import Served, eventually, run

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

SESSION = "X-Amzn-SageMaker-Session-Id"
CHAT = {"messages": [{"role": "user", "content": "one two three four five"}]}


def who(served: Served, **headers: str) -> int:
    return int(served.http.post("/invocations", json={}, headers=headers).json()["pid"])


def test_replicas_share_the_requests(two: Served) -> None:
    assert len(Counter(who(two) for _ in range(30))) == 2


def test_a_session_stays_with_its_replica(two: Served) -> None:
    """Whichever opened it, and it remembers; not all sessions stay with one."""
    of_sessions: set[int] = set()
    for _ in range(40):
        opened = two.http.post("/invocations", json={"requestType": "NEW_SESSION"})
        headers = {SESSION: opened.headers["X-Amzn-SageMaker-New-Session-Id"].partition(";")[0]}
        answers = [two.http.post("/invocations", json={"say": say}, headers=headers).json() for say in range(6)]
        assert answers[-1]["turns"] == list(range(6))
        (pid,) = {answer["pid"] for answer in answers}
        of_sessions.add(pid)
        assert two.http.post("/invocations", json={"requestType": "CLOSE"}, headers=headers).status_code == 200
        assert two.http.post("/invocations", json={}, headers=headers).status_code == 400
        if len(of_sessions) == 2:
            return
    pytest.fail("one replica had all sessions")


def test_a_new_session_begins_anywhere(two: Served) -> None:
    assert len({who(two, **{SESSION: "NEW_SESSION"}) for _ in range(30)}) == 2


def test_a_request_keeps_its_id(two: Served) -> None:
    answer = two.http.post("/invocations", json={}, headers={"X-Amzn-SageMaker-Inference-Id": "of-the-client"})
    assert answer.headers.get_list("x-request-id") == ["of-the-client"]
    two.says("request_id=of-the-client")


def test_errors_are_those_of_one_machine(two: Served) -> None:
    answer = two.http.post("/invocations", content=b"{", headers={"X-Request-Id": "broken"})
    assert (answer.status_code, answer.json()["error"]["request_id"]) == (400, "broken")
    assert two.http.get("/nowhere").json()["error"]["type"] == "not_found"


def test_metrics_are_of_all_replicas(two: Served) -> None:
    def replicas() -> bool:
        text = two.http.get("/metrics").text
        return (
            len([line for line in text.splitlines() if line.startswith("handrail_state{") and '"ready"' in line]) == 2
        )

    eventually(replicas, "the metrics of both")


def test_what_would_change_one_replica_is_refused(two: Served) -> None:
    answer = two.http.post("/adapters", json={"name": "a", "src": "b"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (501, "not_implemented")


def test_a_client_that_leaves_ends_the_work(two: Served) -> None:
    with pytest.raises(httpx.ReadTimeout):
        two.http.post("/invocations", json={"seconds": 60}, headers={"X-Request-Id": "leaver"}, timeout=1)
    two.says("request_id=leaver")
    line = next(line for line in two.stderr.splitlines() if "request_id=leaver" in line)
    assert " 499 " in line


def test_a_stream_comes_piece_by_piece(tmp_path: Path, address: str) -> None:
    """And SIGTERM lets it end: the drain."""
    with fleet(tmp_path / "log", HANDRAIL_ECHO_ITL_MS="400", RAY_ADDRESS=address) as served:
        body = {**CHAT, "stream": True}
        began, times = time.monotonic(), []
        with served.http.stream("POST", "/invocations", json=body) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    times.append(time.monotonic() - began)
                    last = line
                    if len(times) == 2:  # once: a second signal ends it at once
                        served.signal()
        assert last == "data: [DONE]"
        assert times[0] < times[-1] - 1
        assert served.exit_code() == 0


def test_what_takes_longer_than_the_drain_is_told(tmp_path: Path, address: str) -> None:
    given = {"HANDRAIL_DRAIN_S": "1", "RAY_ADDRESS": address}
    with fleet(tmp_path / "log", "who_answers.py", **given) as served, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(served.http.post, "/invocations", json={"seconds": 50}, headers={"X-Request-Id": "long"})
        eventually(lambda: "\nhandrail_in_flight 1.0" in served.http.get("/metrics").text, "the request")
        served.signal()
        answer = asked.result()
        assert (answer.status_code, answer.json()["error"]["type"]) == (503, "draining")
        assert served.exit_code() == 0


def test_a_killed_replica_costs_only_what_it_had(tmp_path: Path, address: str) -> None:
    with fleet(tmp_path / "log", "who_answers.py", "--replicas", "2", RAY_ADDRESS=address) as served:
        victim = who(served)
        pings, plain, patient = Load(ping), Load(ask), Load(ask_until_answered)
        loads = [pings, plain, patient]
        with ThreadPoolExecutor(16) as pool:
            for load, workers in zip(loads, (2, 6, 6), strict=True):
                for _ in range(workers):
                    pool.submit(load.run, served.url)
            time.sleep(2)
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: len({who(served) for _ in range(20)} - {victim}) == 2, "a new replica", 120)
            time.sleep(1)
            for load in loads:
                load.stopped.set()
        assert set(pings.statuses) == {200}
        assert set(patient.statuses) == {200}
        assert set(plain.statuses) <= {200, 503}
        assert plain.statuses[503] <= 6, "more than were in flight"
        print({"pings": pings.statuses, "plain": plain.statuses, "retrying": patient.statuses})


def test_a_broken_script_is_refused_before_ray_starts(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("import nothing_of_that_name\n")
    ended = run("serve", tmp_path, "--engine", "echo", "--ray", "--port", "0")
    assert ended.returncode == 3
    assert "nothing_of_that_name" in ended.stderr
    assert "ray" not in ended.stderr.lower().replace("--ray", "")


def test_a_start_up_hook_that_fails_ends_it(tmp_path: Path, address: str) -> None:
    """Which only a replica runs."""
    (tmp_path / "model.py").write_text(
        "from handrail import on_startup\n\n\n@on_startup\ndef load():\n    raise OSError('no index')\n"
    )
    served = Served(tmp_path, tmp_path / "log", "--ray", "--engine", "echo", RAY_ADDRESS=address)
    assert served.process.wait(READY_S) == 3
    assert "no index" in served.stderr
    assert "IllegalTransition" not in served.stderr


def test_a_server_that_is_not_ready_yet_ends_at_once(tmp_path: Path) -> None:
    """A replica that loads has nothing to finish."""
    (tmp_path / "model.py").write_text(
        "import time\n\nfrom handrail import on_startup\n\n\n@on_startup\ndef load():\n"
        "    print('loading', flush=True)\n    time.sleep(60)\n"
    )
    served = Served(tmp_path, tmp_path / "log", "--ray", "--engine", "echo")
    try:
        eventually(lambda: "loading" in served.stdout + served.stderr, "the hook", READY_S)
        children = served.engine_processes()
        began = time.monotonic()
    finally:
        assert served.stop() == 0
    assert time.monotonic() - began < 10
    eventually(lambda: not [pid for pid in children if psutil.pid_exists(pid)], "Ray's processes to end")


def test_more_than_the_machine_has_is_refused(tmp_path: Path) -> None:
    served = Served(tmp_path, tmp_path / "log", "--ray", "--engine", "echo", HANDRAIL_RAY_CPUS="4096")
    assert served.process.wait(READY_S) == 2
    assert "handrail: a replica reserves 4096 CPUs (HANDRAIL_RAY_CPUS), and Ray has " in served.stderr


class Load:
    """Clients of one kind, until they are stopped."""

    def __init__(self, ask: Callable[[httpx.Client], int]) -> None:
        self.statuses: Counter[int] = Counter()
        self.stopped = threading.Event()
        self._ask = ask

    def run(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            while not self.stopped.is_set():
                self.statuses[self._ask(client)] += 1


def ping(client: httpx.Client) -> int:
    time.sleep(0.02)
    return client.get("/ping").status_code


def ask(client: httpx.Client) -> int:
    return _asked(client).status_code


def ask_until_answered(client: httpx.Client) -> int:
    """As the SDKs of AWS do, up to three times."""
    for _ in range(2):
        answer = _asked(client)
        if answer.status_code < 500:
            return answer.status_code
        time.sleep(float(answer.headers["Retry-After"]))
    return ask(client)


def _asked(client: httpx.Client) -> httpx.Response:
    return client.post("/invocations", json={"seconds": 0.5})
