"""Signals to a real `handrail serve`, in whatever it is doing; and what becomes of the processes below it."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import Launch
from tests.servers import HANDRAIL, SCRIPTS, Served, environment, eventually, free_port

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]


def loading(served: Served, step: str) -> Served:
    """The server once it is at that step of its start."""
    served.first_answer()
    eventually(lambda: served.http.get("/ping").json()["error"]["message"] == step, step)
    return served


@pytest.fixture
def silent_index() -> Iterator[str]:
    """A package index that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


@pytest.fixture
def hang_up_is_heeded() -> Iterator[None]:
    """Also where `nohup` runs the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(params=["requirements", "script", "engine"])
def starting(
    request: pytest.FixtureRequest, launch: Launch, tmp_path: Path, silent_index: str, hang_up_is_heeded: None
) -> Served:
    """A server that does not get any further than that."""
    if request.param == "requirements":
        pip = f"--retries 0 --index-url {silent_index} a-package-that-is-nowhere"
        return loading(launch(tmp_path, STANDARD_PIP_ARGS=pip), "the script's requirements are being installed")
    if request.param == "script":
        release = str(tmp_path / "never")
        served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="slow_import.py", RELEASE=release)
        return loading(served, "the script is loading")
    return loading(launch(tmp_path, HANDRAIL_ECHO_LOAD_S="600"), "the echo engine is starting")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_any_phase_of_the_start_is_a_clean_stop(starting: Served, number: signal.Signals) -> None:
    """0, within a moment, and nothing goes on below it: no pip."""
    below = starting.engine_processes()
    began = time.monotonic()
    starting.signal(number)
    assert starting.exit_code() == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in starting.stderr
    eventually(lambda: not any(map(psutil.pid_exists, below)), "what it started to end")


def test_a_second_signal_kills_what_runs_below(launch: Launch) -> None:
    """The engine's processes, and what the script started."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="first_process.py", HANDRAIL_ECHO_ITL_MS="60000").ready()
    child = served.http.post("/invocations").json()["child"]
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(
            httpx.post, f"{served.url}/v1/completions", json={"prompt": "two words"}, timeout=60, verify=False
        )
        eventually(lambda: b"handrail_in_flight 1.0" in served.http.get("/metrics").content, "it to be in flight")
        served.signal(signal.SIGTERM)
        eventually(lambda: served.http.get("/ping").status_code == 503, "the drain")
        served.signal(signal.SIGINT)
        assert served.exit_code() == 130
        with pytest.raises(httpx.TransportError):
            held.result()
    eventually(lambda: not psutil.pid_exists(child), "the child to end")


def test_what_a_script_started_ends_with_a_clean_stop_too(launch: Launch) -> None:
    """0, and none of it is left."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="first_process.py").ready()
    child = served.http.post("/invocations").json()["child"]
    served.signal()
    assert served.exit_code() == 0
    eventually(lambda: not psutil.pid_exists(child), "the child to end")


def blocked(launch: Launch, pool: ThreadPoolExecutor, **given: str) -> Served:
    """A server whose loop a handler blocks for a minute."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="blocks_the_loop.py", **given).ready()
    pool.submit(httpx.post, f"{served.url}/invocations", json={"by": "sleep", "for_s": 60}, timeout=60, verify=False)
    served.says("the event loop has been blocked for")
    return served


def test_a_second_signal_stops_at_once_though_a_handler_blocks_the_loop(launch: Launch) -> None:
    """128 and its number; the first is heard as well."""
    with ThreadPoolExecutor(1) as pool:
        served = blocked(launch, pool)
        served.signal()
        time.sleep(0.1)  # two that come at once are one
        served.signal()
        assert served.exit_code() == 143


def test_a_handler_that_blocks_the_loop_does_not_hold_up_the_stop(launch: Launch) -> None:
    """0 after the drain's time: nobody can be answered any more."""
    with ThreadPoolExecutor(1) as pool:
        served = blocked(launch, pool, HANDRAIL_DRAIN_S="0.1")
        began = time.monotonic()
        served.signal()
        assert served.exit_code() == 0
        assert time.monotonic() - began < 20
    assert "its event loop is still blocked" in served.stderr


def test_a_hang_up_that_is_ignored_stays_so(launch: Launch, tmp_path: Path) -> None:
    """As `nohup` has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        served = launch(tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    served.ready().signal(signal.SIGHUP)
    assert served.http.get("/ping").status_code == 200


def test_an_interrupt_that_a_shell_ignores_is_heeded(launch: Launch, tmp_path: Path) -> None:
    """So a script's `handrail serve … &` is started; nobody has asked for that, and a drain is what SIGINT means."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        served = launch(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    served.ready().signal(signal.SIGINT)
    assert served.exit_code() == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM])
def test_what_means_something_to_others_ends_nothing(launch: Launch, tmp_path: Path, number: signal.Signals) -> None:
    """Neither while it loads nor once it serves; the log says so."""
    served = launch(tmp_path, HANDRAIL_ECHO_LOAD_S="0.5")
    served.first_answer()
    served.signal(number)
    served.ready().signal(number)
    served.says(f"{number.name} means nothing here, and is ignored")
    assert served.http.get("/ping").status_code == 200
    served.signal()
    assert served.exit_code() == 0


def test_whoever_reads_its_words_may_leave(tmp_path: Path) -> None:
    """A closed pipe on standard output and error: it goes on, and stops with 0."""
    port = free_port()
    command = [HANDRAIL, "serve", tmp_path, "--engine", "echo", "--host", "127.0.0.1", "--port", str(port), "--hints"]
    process = subprocess.Popen(command, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False)

    def is_ready() -> bool:
        assert process.poll() is None
        try:
            return http.get("/ping").status_code == 200
        except httpx.ConnectError:
            return False

    try:
        eventually(is_ready, "it to be ready")
        assert http.get("/nowhere").status_code == 404  # which is logged
    finally:
        http.close()
        process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
