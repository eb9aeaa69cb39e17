"""Requests a second of a Model that does nothing, on both servers, turn by turn."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.compat.launchers import Launcher, Server
from tests.compat.observe import write
from tests.truss.words import files

SECONDS, CONNECTIONS = 4, 8
MODELS = {
    "async def": "class Model:\n    async def predict(self, model_input):\n        return {'a': 1}\n",
    "def": "class Model:\n    def predict(self, model_input):\n        return {'a': 1}\n",
}
_ASK = """
wrk.method, wrk.body = "POST", '{"prompt": "Hello"}'
wrk.headers["Content-Type"] = "application/json"
"""


class Rate(NamedTuple):
    """Requests a second of the clock, and of the server's own CPU time."""

    second: float
    cpu_second: float


@dataclass(frozen=True)
class Rates:
    """Each round's."""

    ours: list[Rate]
    theirs: list[Rate]

    def medians(self) -> dict[str, tuple[float, float]]:
        """Ours and theirs, by what they are counted by."""
        by_name = {"second": 0, "CPU second": 1}
        return {name: (_median(self.ours, column), _median(self.theirs, column)) for name, column in by_name.items()}


def _median(rates: list[Rate], column: int) -> float:
    return statistics.median(rate[column] for rate in rates)


def compare(ours: Launcher, theirs: Launcher, rounds: int) -> dict[str, Rates]:
    """By the kind of `predict`."""
    return {kind: _measure(ours, theirs, files(model), rounds) for kind, model in MODELS.items()}


def _measure(ours: Launcher, theirs: Launcher, truss: dict[str, str], rounds: int) -> Rates:
    rates = Rates([], [])
    with ExitStack() as stack:
        here, there = (stack.enter_context(_served(launcher, truss)) for launcher in (ours, theirs))
        for _ in range(rounds):
            rates.ours.append(_rate(here))
            rates.theirs.append(_rate(there))
    return rates


@contextmanager
def _served(launcher: Launcher, truss: dict[str, str]) -> Iterator[Server]:
    """A server that has the first core for itself."""
    pinned = replace(launcher, command=lambda port: ["taskset", "-c", "0", *launcher.command(port)])
    with tempfile.TemporaryDirectory(prefix="bench-") as parent:
        server = Server(pinned, write(Path(parent) / "model", truss), {})
        try:
            assert server.exit_status() is None, server.log
            yield server
        finally:
            server.stop()


def _rate(server: Server) -> Rate:
    """As wrk counts it, from the second core."""
    process = psutil.Process(server.pid)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_ASK)
        script.flush()
        wrk = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "-s", script.name]
        before, url = process.cpu_times(), f"{server.http.base_url}/invocations"
        said = subprocess.run([*wrk, url], capture_output=True, text=True, check=True).stdout
        after = process.cpu_times()
    assert "Non-2xx" not in said, said
    asked, a_second = re.search(r"(\d+) requests in", said), re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert asked is not None, said
    assert a_second is not None, said
    return Rate(float(a_second[1]), int(asked[1]) / (after.user + after.system - before.user - before.system))
