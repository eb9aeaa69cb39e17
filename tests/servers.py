"""The real `handrail` in a process of its own: started, asked, signalled, and its words and exit status read."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import httpx
import psutil
from handrail_container.settings import fields, lmi_variables

from tests import forked

SCRIPTS = Path(__file__).parent / "scripts"
HANDRAIL = Path(sysconfig.get_path("scripts")) / "handrail"
#: For what takes a moment on an idle machine: a bound for a hang, not a measure.
PATIENCE_S = 60
_POLL_S = 0.01
_WITHOUT_VLLM = "import sys; sys.modules['vllm'] = None; from handrail_container.cli import main; main()"
_OURS = ("HANDRAIL_", "CUSTOM_", "SAGEMAKER_", "SM_VLLM_")
_LMI = (*lmi_variables.PREFIXES, *lmi_variables.ALWAYS, *lmi_variables.BESIDE_OTHERS)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what a server would read, and with what is given."""
    known = fields.variables()
    kept = {
        name: value for name, value in os.environ.items() if name not in known and not name.startswith((*_OURS, *_LMI))
    }
    return {**kept, "HANDRAIL_LOG_FORMAT": "plain", **given}  # as people read it; that of machines has tests of its own


def free_port() -> int:
    """A port nobody listens on, outside the range from which the system takes those of outgoing connections."""
    while True:
        port = random.SystemRandom().randint(10_000, 30_000)
        if not listens(port):
            return port


def listens(port: int) -> bool:
    """Whether somebody does on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(*arguments: str | Path, **given: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return forked.run([HANDRAIL, *arguments], environment(given), PATIENCE_S)


def run_without_vllm(*arguments: str | Path, **given: str) -> subprocess.CompletedProcess[str]:
    """The same where vLLM cannot be imported, installed or not."""
    command = [sys.executable, "-c", _WITHOUT_VLLM, *arguments]
    return forked.run(command, environment(given), PATIENCE_S)


def eventually(happens: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not happens():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(_POLL_S)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits for its parent only."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


class Served:
    """A `handrail serve` on a port of 127.0.0.1. Nothing is waited for until it is asked for."""

    #: The number of the user it runs as; None is whoever runs the tests.
    user: int | None = None
    #: Whether it may be forked from a process that has imported everything, which is faster.
    may_fork = True
    program: tuple[str | Path, ...] = (HANDRAIL,)

    def __init__(self, folder: Path, log: Path, *arguments: str | Path, **given: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False, verify=False)
        self._log = log
        self._out = log.with_suffix(".out")
        self.began = time.monotonic()
        command = self.command(folder, arguments, given)
        with log.open("w") as stderr, self._out.open("w") as stdout:
            self.process = self._start(command, environment(given), stdout, stderr)

    def _start(
        self, command: list[str | Path], given: Mapping[str, str], stdout: IO[str], stderr: IO[str]
    ) -> forked.Process:
        if self.user is None and self.may_fork:
            return forked.start(command, given, stdout, stderr)
        as_user: Any = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        return subprocess.Popen(command, env=given, stdout=stdout, stderr=stderr, **as_user)

    def command(self, folder: Path, arguments: Sequence[str | Path], given: Mapping[str, str]) -> list[str | Path]:
        return [*self.program, "serve", folder, "--host", "127.0.0.1", "--port", str(self.port), *arguments]

    @property
    def stderr(self) -> str:
        return self._log.read_text()

    @property
    def stdout(self) -> str:
        return self._out.read_text()

    def first_answer(self) -> httpx.Response:
        """The answer to `/ping` as soon as there is one, whatever it says."""
        while True:
            try:
                return self.http.get("/ping")
            except httpx.ConnectError:
                assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.stderr}"
                assert time.monotonic() < self.began + PATIENCE_S, "nobody listens"
                time.sleep(_POLL_S)

    def ready(self, patience_s: float = PATIENCE_S) -> Served:
        """Itself, once `/ping` is 200."""
        eventually(lambda: self.first_answer().status_code == 200, f"/ping to be 200:\n{self.stderr}", patience_s)
        return self

    def engine_processes(self) -> set[int]:
        """The process ids below it."""
        return {child.pid for child in psutil.Process(self.process.pid).children(recursive=True)}

    def says(self, text: str) -> None:
        """Return once `text` is in what it wrote to standard error."""
        eventually(lambda: text in self.stderr, f"{text!r} in\n{self.stderr}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        """Its exit status, once it has ended."""
        return self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        """End it, whatever it is doing."""
        self.http.close()
        self.signal()
        return self.stopped()

    def stopped(self) -> int:
        """Its exit status; it has been told to end, and is killed where it does not."""
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
