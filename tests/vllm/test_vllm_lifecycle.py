"""How an engine starts, fails to start, dies and ends, each in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import FLAGS, MODEL

pytestmark = pytest.mark.vllm

PROGRAM = Path(__file__).with_name("program.py")


def run(scenario: str, model: Path | str = MODEL, **flags: str) -> tuple[list[str], str]:
    """What the program said, and all it wrote."""
    done = subprocess.run(command(scenario, model, **flags), capture_output=True, text=True, timeout=180, check=False)
    written = done.stdout + done.stderr
    assert done.returncode == 0, written
    return [line.removeprefix("SAID ") for line in done.stdout.splitlines() if line.startswith("SAID ")], written


def command(scenario: str, model: Path | str = MODEL, **flags: str) -> list[str]:
    variables = FLAGS | {f"SM_VLLM_{name}": value for name, value in flags.items()}
    return [sys.executable, str(PROGRAM), scenario, str(model), *(f"{k}={v}" for k, v in variables.items())]


@pytest.fixture(autouse=True)
def _paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test can import, the program can."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def test_broken_weights_fail_the_start_with_the_cause_and_no_trace(tmp_path: Path) -> None:
    """The cause is known only in a process of vLLM's, which says it to the log and then ends."""
    broken = shutil.copytree(MODEL, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes((MODEL / "model.safetensors").read_bytes()[:-2000])
    (said,), written = run("fail", broken)
    assert said.startswith(f"4 vLLM cannot serve {str(broken)!r}: SafetensorError: ")
    assert "Traceback" not in written


def test_a_setting_the_model_does_not_allow_fails_the_start_with_the_reason() -> None:
    (said,), _ = run("fail", MAX_MODEL_LEN="999999")
    refusal = (
        "2 SM_VLLM_MAX_MODEL_LEN='999999' is refused by vLLM: User-specified max_model_len (999999) is greater than"
    )
    assert said.startswith(refusal)


def test_an_unreadable_model_fails_the_start_with_what_was_read(tmp_path: Path) -> None:
    broken = shutil.copytree(MODEL, tmp_path / "broken")
    (broken / "config.json").write_text("{")
    (said,), written = run("fail", broken)
    assert said.startswith("4 vLLM cannot serve")
    assert "config.json" in said
    assert "Traceback" not in written


def test_a_dead_engine_is_noticed_its_requests_end_and_it_can_be_stopped_twice() -> None:
    (dead, asked, left), _ = run("die")
    assert dead.startswith("dead: the engine died: its process EngineCore was ended by SIGKILL")
    assert asked == "asked: 503"
    assert left == "left: 0"


def test_an_engine_may_be_stopped_while_it_starts() -> None:
    (seconds, left), _ = run("stop_early")
    assert float(seconds.removeprefix("seconds: ")) < 5
    assert left == "left: 0"


def test_the_process_that_was_started_early_becomes_the_engines() -> None:
    (same, called, left), written = run("use_spare")
    assert "Traceback" not in written
    assert same == "same: True"
    assert called.startswith("called: VLLM::EngineCore")
    assert left == "left: 0"


def test_a_variable_that_was_read_already_has_the_engines_process_started_anew() -> None:
    """Nothing is said to a process that would not heed it."""
    (same, processes), written = run("change_variable")
    assert "Traceback" not in written
    assert (same, processes) == ("same: False", "processes: 1")


def test_the_engine_starts_without_the_process_that_was_started_early() -> None:
    (processes,), written = run("kill_spare")
    assert "Traceback" not in written
    assert processes == "processes: 1"


def test_no_process_is_started_early_for_an_engine_that_was_stopped() -> None:
    (left,), _ = run("stop_before_engine")
    assert left == "left: 0"


def test_a_pooling_model_is_warmed_up_and_takes_the_payloads_it_can() -> None:
    (payloads, generates), _ = run("pool", RUNNER="pooling")
    assert "'input': '/v1/embeddings'" in payloads
    assert "'documents': '/rerank'" in payloads
    assert "prompt" not in payloads
    assert generates == "False"


@pytest.mark.parametrize("scenario", ["orphan", "orphan_early"])
def test_no_process_of_the_engine_outlives_a_killed_server(scenario: str) -> None:
    with subprocess.Popen(command(scenario), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        written: list[str] = []
        for line in server.stdout:
            written.append(line)
            if line.startswith("SAID "):
                break
        server.send_signal(signal.SIGKILL)
    said = written[-1]
    assert said.startswith("SAID "), "".join(written)
    children = [int(pid) for pid in said.split()[1:]]
    assert children
    deadline = time.monotonic() + 5
    while any(map(alive, children)):
        assert time.monotonic() < deadline, "the engine is still there"
        time.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
