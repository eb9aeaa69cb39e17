"""examples/ray: its replica killed under load, and its configuration file."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import httpx
import pytest

from tests.examples import EXAMPLES, ROOT
from tests.on_ray.conftest import READY_S, has_all_replicas
from tests.servers import PATIENCE_S, Served, environment, eventually, free_port

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

EXAMPLE = EXAMPLES / "ray"
QUESTION = {"messages": [{"role": "user", "content": "What does /ping do?"}]}


def test_a_replica_is_killed_under_load(tmp_path: Path) -> None:
    """By its own script: no ping fails, and no client that asks again."""
    served = Served(EXAMPLE, tmp_path / "log", "--ray", "--replicas", "2", "--engine", "echo", "--hints")
    try:
        has_all_replicas(served)
        eventually(lambda: "curl -i" in served.stdout, "the hints")
        command = [sys.executable, EXAMPLE / "kill.py", served.url]
        said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment({})).stdout
        for kind in ("pings", "requests"):
            seen = ast.literal_eval(re.search(rf"(?m)^{kind} +(.*)$", said)[1])  # type: ignore[index]  # it is there
            assert set(seen) == {200}, said
    finally:
        assert served.stop() == 0


def test_serve_run_takes_its_configuration_file(tmp_path: Path) -> None:
    """As it stands but for the port."""
    port = free_port()
    config = tmp_path / "serve.yaml"
    config.write_text((EXAMPLE / "serve.yaml").read_text().replace("8080", str(port)))
    given = environment({"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"})
    given["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"] = "handrail_container.ray:front"
    command = [Path(sysconfig.get_path("scripts"), "serve"), "run", "--address", "local", config]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=log, stderr=log, preexec_fn=_heed_interrupts)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, trust_env=False) as client:
            eventually(lambda: _is_ready(client), "/ping to be 200", READY_S)
            answer = client.post("/invocations", json=QUESTION).json()
            assert answer["text"] == "What does /ping do?"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()


def _heed_interrupts() -> None:
    """Tests that a shell has started in the background ignore SIGINT, and what they start would."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False
