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


@dataclass(frozen=True)
class Rates:
    """Requests a second, each round's."""

    ours: list[float]
    theirs: list[float]

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(self.ours), statistics.median(self.theirs)


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
def _served(launcher: Launcher, truss: dict[str, str]) -> Iterator[str]:
    """The address of a server that has the first core for itself."""
    pinned = replace(launcher, command=lambda port: ["taskset", "-c", "0", *launcher.command(port)])
    with tempfile.TemporaryDirectory(prefix="bench-") as parent:
        server = Server(pinned, write(Path(parent) / "model", truss), {})
        try:
            assert server.exit_status() is None, server.log
            yield str(server.http.base_url)
        finally:
            server.stop()


def _rate(url: str) -> float:
    """As wrk counts it, from the second core."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_ASK)
        script.flush()
        wrk = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "-s", script.name]
        said = subprocess.run([*wrk, f"{url}/invocations"], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]
