"""The life of a definition's workers: edits, signals, a drain, and workers that cannot be had again."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.conftest import Launch
from tests.container.test_definition_served import CHAT, written
from tests.servers import Served, eventually, has_ended


def test_workers_that_cannot_be_had_again_turn_ping_red(launch: Launch, tmp_path: Path) -> None:
    snippet = f"""
import os, pathlib
mark = pathlib.Path({str(tmp_path / "mark")!r})
assert not mark.exists(), "the second time it fails"
def run_inference(body, environment):
    mark.touch()
    os._exit(1)
"""
    served = launch(written(tmp_path, snippet, "task: custom\nmax_concurrent_requests: 1")).ready()
    assert served.http.post("/invocations", json=1).json()["error"]["type"] == "worker_crashed"
    eventually(lambda: served.http.get("/ping").status_code == 503, "/ping to be 503")
    assert "workers of run_inference" in served.http.get("/ping").json()["error"]["message"]


def workers(served: Served) -> list[psutil.Process]:
    return [child for child in psutil.Process(served.process.pid).children(recursive=True) if child.is_running()]


def test_an_edit_is_served_by_new_workers(launch: Launch, tmp_path: Path) -> None:
    """A broken one is refused, and the old go on."""
    folder = written(
        tmp_path, "def run_inference(body, environment): return '1'", "task: custom\nmax_concurrent_requests: 1"
    )
    served = launch(folder, "--watch").ready()
    assert served.http.post("/invocations", json=1).json() == 1
    (before,) = workers(served)
    (folder / "run.py").write_text("def run_inference(body, environment): return '2'")
    served.says("reloaded in")
    assert served.http.post("/invocations", json=1).json() == 2
    eventually(lambda: has_ended(before.pid), "the old worker to end")
    (folder / "run.py").write_text("import nowhere_at_all\ndef run_inference(body, environment): return '3'")
    served.says("the edit was refused")
    assert "failed to import" in served.stderr
    assert served.http.post("/invocations", json=1).json() == 2
    left = workers(served)
    assert len(left) == 1
    assert served.stop() == 0
    eventually(lambda: not any(one.is_running() for one in left), "the workers to end")


def test_a_signal_while_the_snippet_is_imported(launch: Launch, tmp_path: Path) -> None:
    snippet = "import time; time.sleep(60)\ndef run_inference(body, environment): return body"
    served = launch(written(tmp_path, snippet))
    eventually(lambda: "workers are starting" in served.first_answer().text, "the workers to be started")
    eventually(lambda: workers(served), "a worker")
    left = workers(served)
    served.signal(signal.SIGTERM)
    assert served.exit_code() == 0
    eventually(lambda: not any(one.is_running() for one in left), "the workers to end")


WAITS = """
import pathlib, time
def run_inference(body, environment, sample=None, *, engine):
    while not pathlib.Path(body.strip('"')).exists():
        time.sleep(0.01)
    chat = {"messages": [{"role": "user", "content": "a word"}]}
    return engine.chat_completions(chat)["choices"][0]["message"]["content"]
"""


def test_what_is_in_flight_is_finished_while_the_server_drains(launch: Launch, tmp_path: Path) -> None:
    """A snippet's own requests to the engine are let in; no other new ones are, not those of the same machine."""
    go = tmp_path / "go"
    served = launch(written(tmp_path, WAITS), HANDRAIL_ENGINE="echo").ready()
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(served.http.post, "/invocations", json=str(go))
        eventually(lambda: workers_busy(served) > 0, "the snippet to begin")
        served.signal(signal.SIGTERM)
        eventually(lambda: served.http.get("/ping").status_code == 503, "the server to drain")
        others = [
            served.http.post("/v1/chat/completions", json=CHAT, headers=headers)
            for headers in ({}, {"Authorization": "Bearer guessed"})
        ]
        assert [other.json()["error"]["type"] for other in others] == ["draining", "draining"]
        go.touch()
        assert (answer.result().status_code, answer.result().text) == (200, "a word")
    assert served.exit_code() == 0


def workers_busy(served: Served) -> float:
    metrics = served.http.get("/metrics").text
    return float(next(line for line in metrics.splitlines() if line.startswith("handrail_in_flight")).split()[-1])
