"""wrk, on a core of its own: how many requests, and how long they took."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass

from tests.bench.running import CLIENTS_CORE, Running

CONNECTIONS = 16
_ASK = """
wrk.method, wrk.body = "POST", string.rep(" ", {spaces}) .. '{{"prompt": "Hello"}}'
wrk.headers["Content-Type"] = "application/json"
"""
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Rate:
    """What one round gave: requests a second, the server's CPU microseconds for each, and the p99 of the time."""

    a_second: float
    cpu_us: float
    p99_s: float


def ask(server: Running, seconds: float, connections: int = CONNECTIONS, body_bytes: int = 0) -> Rate:
    """As many requests as the server takes. Raises AssertionError where one is not answered, or not with 2xx."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_ASK.format(spaces=max(0, body_bytes - 19)))
        script.flush()
        wrk = ["taskset", "-c", CLIENTS_CORE, "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}"]
        before = server.cpu_s()
        said = subprocess.run(
            [*wrk, "--latency", "--timeout", "30", "-s", script.name, server.url],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        used_s = server.cpu_s() - before
    answered, a_second = all_answered(server.peer.title, said), _number(r"Requests/sec:\s+([\d.]+)", said)
    return Rate(a_second, used_s / answered * 1e6, _p99_s(said))


def all_answered(title: str, said: str) -> float:
    """How many requests wrk made. Raises AssertionError, with the line that says so, where one was not answered."""
    failed = re.search(r"(?m)^ *(Non-2xx|Socket errors:).*", said)
    assert failed is None, f"{title}: {failed[0].strip()}\n{said}"
    answered = _number(r"(\d+) requests in", said)
    assert answered, f"{title} answered nothing: {said}"
    return answered


def _number(pattern: str, said: str) -> float:
    found = re.search(pattern, said)
    assert found is not None, said
    return float(found[1])


def _p99_s(said: str) -> float:
    found = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", said)
    assert found is not None, said
    return float(found[1]) * _UNITS[found[2]]
