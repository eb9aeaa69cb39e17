"""Starting, refusing, checking, reloading: how long somebody waits for each."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from tests.bench import peers
from tests.bench.running import Missing, starting
from tests.bench.table import Effort, Table, load_average, verdict
from tests.compat.launchers import HOST
from tests.servers import HANDRAIL, environment

_HEADER = ("what", "seconds", "rounds' spread")
_BROKEN = "def custom_sagemaker_invocation_handler(request)\n    return 1\n"
_ANSWERS = "def custom_sagemaker_invocation_handler():\n    return {}\n"
#: As users start them: which processes the engine has is for each server to say.
_FLAGS = {flag: value for flag, value in peers.VLLM_FLAGS.items() if flag != "distributed-executor-backend"}
_LOOK_S = 0.005
_PATIENCE_S = 30


def measure(effort: Effort) -> Table:
    missing: list[str] = []
    took: dict[str, list[float]] = {}

    def note(what: str, action: Callable[[], float]) -> None:
        try:
            took.setdefault(what, []).append(action())
        except Missing as reason:
            missing.append(str(reason))

    for _ in range(effort.rounds):
        if effort.wants("ours"):
            peer = peers.ours("ours", "Handrail", "", "vllm", _FLAGS)
            note("Handrail, start to `/ping` 200, demo model", partial(_ready, peer))
        if effort.wants("stock"):
            note("stock vLLM, start to `/ping` 200, demo model", partial(_ready, peers.stock(given=_FLAGS)))
        if effort.wants("quick"):
            note("start to exit 3 on a broken script", lambda: _ended("serve", _BROKEN, 3))
            note("`handrail check`", lambda: _ended("check", _ANSWERS.format(1), 0))
    if effort.wants("quick"):
        took["edit to the new handler's answer"] = _reloads(effort.rounds)
    rows = [
        (what, f"{statistics.median(all_s):.2f}", f"{min(all_s):.2f}-{max(all_s):.2f}")
        for what, all_s in took.items()
        if all_s
    ]
    how = f"On both cores, medians of {effort.rounds} rounds. Load average at the end: {load_average()}."
    return Table("start", "Starting and refusing", how, _HEADER, rows, _verdicts(took), missing)


def _verdicts(took: dict[str, list[float]]) -> list[str]:
    medians = {what: statistics.median(all_s) for what, all_s in took.items() if all_s}
    limits = {
        "start to exit 3 on a broken script": 1.5,
        "`handrail check`": 1.0,
        "edit to the new handler's answer": 0.5,
    }
    verdicts = [verdict(f"{what}, s:", medians[what], limit) for what, limit in limits.items() if what in medians]
    ours, stock = (f"{name}, start to `/ping` 200, demo model" for name in ("Handrail", "stock vLLM"))
    if ours in medians and stock in medians:
        verdicts.append(verdict("start over stock's:", medians[ours] / medians[stock], 0.6))
    return verdicts


def _ready(peer: peers.Peer) -> float:
    with starting(replace(peer, ready="/ping"), cores="0,1") as server:
        return server.ready()


def _ended(command: str, program: str, status: int) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as parent:
        (Path(parent) / "model.py").write_text(program)
        began = time.monotonic()
        known = environment({"HANDRAIL_ENGINE": "echo"})
        done = subprocess.run([HANDRAIL, command, parent], env=known, capture_output=True, check=False)
        took = time.monotonic() - began
    assert done.returncode == status, done.stderr.decode()
    return took


def _reloads(rounds: int) -> list[float]:
    took = []
    peer = peers.ours("ours", "Handrail", _ANSWERS.format(0))
    watching = replace(peer, command=lambda port: [*peer.command(port), "--watch"])
    with starting(watching, cores="0,1") as server, httpx.Client(trust_env=False, verify=False) as http:
        server.ready()
        script = server.folder / "model.py"
        for number in range(1, rounds + 1):
            _replace(script, _ANSWERS.format(number))
            began = time.monotonic()
            url = f"http://{HOST}:{server.port}/invocations"
            while http.post(url).json() != number:
                assert time.monotonic() < began + _PATIENCE_S, "the edit was not seen"
                time.sleep(_LOOK_S)
            took.append(time.monotonic() - began)
    return took


def _replace(script: Path, program: str) -> None:
    """At once, as editors do."""
    new = script.with_suffix(".new")
    new.write_text(program)
    os.replace(new, script)
