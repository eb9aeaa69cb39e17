"""`handrail serve --ray` on a cluster that was there before it, and stays."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.compat.on_ray import on_a_cluster
from tests.on_ray.conftest import READY_S, fleet
from tests.servers import PATIENCE_S, Served, environment, eventually, free_port, listens, run

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


def test_a_second_server_leaves_the_first_alone(address: str, tmp_path: Path) -> None:
    with fleet(tmp_path / "log", "who_answers.py", RAY_ADDRESS=address) as first:
        who = first.http.post("/invocations", json={}).json()
        for port in (first.port, 0):
            second = run("serve", tmp_path, "--engine", "echo", "--ray", "--port", str(port), RAY_ADDRESS=address)
            assert second.returncode == 2, second.stderr
            assert (
                f"handrail: RAY_ADDRESS is {address!r}, whose Ray Serve has an application 'default'" in second.stderr
            )
        assert first.http.post("/invocations", json={}).json() == who


def test_what_finds_no_room_is_said(address: str, tmp_path: Path) -> None:
    """And waited for: the cluster may grow."""
    given = {"RAY_ADDRESS": address, "HANDRAIL_RAY_CPUS": "99", "HANDRAIL_DRAIN_S": "0"}
    served = Served(tmp_path, tmp_path / "log", "--ray", "--engine", "echo", **given)
    try:
        eventually(lambda: "Ray Serve: Deployment" in served.stderr, "Serve's words", READY_S)
        lines = [line for line in served.stderr.splitlines() if "Ray Serve: " in line]
        assert all("WARNING" in line and "99" in line for line in lines), lines
        assert len(lines) == len(set(lines))
    finally:
        assert served.stop() == 0


def test_what_a_serve_of_others_listens_on_is_said(tmp_path: Path) -> None:
    """It is not ours to end, and goes with its cluster: one of its own."""
    with on_a_cluster() as launcher:
        _is_said(launcher.environment["RAY_ADDRESS"], tmp_path)


def _is_said(address: str, tmp_path: Path) -> None:
    port = free_port()
    start = [Path(sysconfig.get_path("scripts"), "serve"), "start", "--address", address, "--http-port", str(port)]
    subprocess.run(start, check=True, env=environment({}), timeout=PATIENCE_S)
    eventually(lambda: listens(port), "Serve's proxy")
    refused = run("serve", tmp_path, "--engine", "echo", "--ray", "--port", str(free_port()), RAY_ADDRESS=address)
    assert refused.returncode == 2, refused.stderr
    assert f"whose Ray Serve listens on port {port}, and this server is to have " in refused.stderr
    assert f"write --port {port}, or end that" in refused.stderr
    assert listens(port)
