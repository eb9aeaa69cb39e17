"""The first process of a container: for real where this machine allows it, and its parts elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from handrail_container.process import first_process

from tests.servers import HANDRAIL, SCRIPTS, environment, eventually, free_port

_UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc"]
#: Orphans come to this process, as they do to the first of a container.
_SPLITS = """
import ctypes, os, signal, subprocess, sys, time
from handrail_container.process import first_process as init
ctypes.CDLL(None).prctl(36, 1)
init.split()
"""


def splitting(then: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _SPLITS + then], stdout=subprocess.PIPE, text=True)


def test_it_ends_as_its_child_does() -> None:
    """With the child's status, or a shell's for the signal that killed it."""
    for then, code in (("os._exit(7)", 7), ("os.kill(os.getpid(), signal.SIGKILL)", 137)):
        with splitting(then) as process:
            assert process.wait(60) == code


@pytest.mark.parametrize("number", first_process._PASSED_ON)
def test_signals_are_passed_on(number: signal.Signals) -> None:
    """Once: the child is in a session of its own, where a terminal does not reach it."""
    # Naps: a signal that comes just before a long sleep is heard after it.
    process = splitting(f"signal.signal({int(number)}, lambda *_: os._exit(42)); print(os.getsid(0), flush=True)\n"
                        "while True: time.sleep(0.05)")  # fmt: skip
    assert process.stdout is not None
    with process.stdout as said:
        assert int(said.readline()) != os.getsid(0)
        process.send_signal(number)
        assert process.wait(60) == 42


def test_orphans_are_buried_while_the_child_lives() -> None:
    """One whose parent ended before it does not stay a zombie."""
    with splitting(
        "made = subprocess.check_output(['sh', '-c', 'sleep 0.1 >/dev/null & echo $!'])\n"
        "while os.path.exists(f'/proc/{int(made)}'): time.sleep(0.01)\n"
        "os._exit(5)"
    ) as process:
        assert process.wait(60) == 5


def test_any_other_process_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for the first one alone."""
    splits: list[int] = []
    monkeypatch.setattr(first_process, "split", lambda: splits.append(os.getpid()))
    first_process.become()
    assert splits == []
    monkeypatch.setattr(os, "getpid", lambda: 1)
    first_process.become()
    assert splits == [1]


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[tuple[psutil.Process, str]]:
    """The first process of a container of its own, and where it serves."""
    if subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("`unshare --pid --fork --mount-proc` needs root, and a machine that allows it")
    port = free_port()
    command = [*_UNSHARE, HANDRAIL, "serve", SCRIPTS, "--host", "127.0.0.1", "--port", str(port)]
    given = environment({"HANDRAIL_ENGINE": "echo", "CUSTOM_SCRIPT_FILENAME": "first_process.py"})
    with (tmp_path / "log").open("w") as log:
        process = psutil.Popen(command, env=given, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        try:
            return httpx.get(f"{url}/ping", verify=False).status_code == 200
        except httpx.ConnectError:
            return False

    eventually(is_ready, "it to be ready")
    yield process, url
    if process.poll() is None:
        first_of(process).kill()
        process.wait(60)


def first_of(unshare: psutil.Process) -> psutil.Process:
    (first,) = unshare.children()
    return first


def told(url: str) -> dict[str, int]:
    said: dict[str, int] = httpx.post(f"{url}/invocations", verify=False).json()
    return said


def test_as_the_first_process_it_buries_orphans_and_stops_cleanly(contained: tuple[psutil.Process, str]) -> None:
    """The server is not the first itself, so nobody takes its own children's statuses from it."""
    unshare, url = contained
    eventually(lambda: not told(url)["orphan"], "the orphan to be buried")
    assert told(url)["false"] == 1
    assert told(url)["server"] > 1
    first_of(unshare).send_signal(signal.SIGTERM)
    assert unshare.wait(60) == 0


def test_as_the_first_process_it_ends_when_the_server_is_killed(contained: tuple[psutil.Process, str]) -> None:
    """137, and the container's other processes end with it."""
    unshare, _ = contained
    below = first_of(unshare).children(recursive=True)
    (server,) = [child for child in first_of(unshare).children() if "serve" in child.cmdline()]
    server.kill()
    assert unshare.wait(60) == 137
    assert not any(process.is_running() for process in below)
