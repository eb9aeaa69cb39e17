"""Ray is an extra: what is said where it is missing, and what is set for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from handrail_container.engine import ray_cluster
from handrail_container.process import extras
from handrail_container.process.exits import SettingsError
from handrail_container.ray import build

from tests.servers import SCRIPTS, environment, run

_WITHOUT_RAY = "import sys; sys.modules['ray'] = None; from handrail_container.cli import main; main()"


def test_without_ray_the_command_says_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WITHOUT_RAY, "serve", tmp_path, "--engine", "echo", "--ray", "--port", "0"]
    ended = subprocess.run(command, env=environment({}), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    said = f"handrail: Ray Serve is asked for, and ray is not installed: {extras.command('ray')}\n"
    assert ended.stderr == said


def test_so_does_serve_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "handrail_container.ray.deployment", raising=False)
    with pytest.raises(SettingsError, match=re.escape(extras.command("ray"))):
        build({})


def test_what_is_set_for_ray_is_not_what_the_user_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"RAY_DEDUP_LOGS": "1"})
    ray_cluster.prepare()
    assert os.environ["RAY_DEDUP_LOGS"] == "1"
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.parametrize(("address", "joins"), [("", False), ("local", False), ("auto", True), ("head:6379", True)])
def test_a_cluster_is_named_or_started(monkeypatch: pytest.MonkeyPatch, address: str, joins: bool) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert ray_cluster.names_a_cluster() is joins


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--replicas", "2"), "go with --ray"),
        (("--max-replicas", "2"), "go with --ray"),
        (("--replicas", "0"), "go with --ray"),
        (("--ray", "--watch"), "not for --ray"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    ended = run("serve", tmp_path, *arguments)
    assert ended.returncode == 2
    assert says in ended.stderr


def test_a_cluster_that_does_not_answer_is_said_at_once(tmp_path: Path) -> None:
    pytest.importorskip("ray.serve")
    ended = run("serve", tmp_path, "--engine", "echo", "--ray", "--port", "0", RAY_ADDRESS="127.0.0.1:1")
    assert ended.returncode == 2
    assert ended.stderr.startswith("handrail: RAY_ADDRESS is '127.0.0.1:1', and no cluster answers there")


def test_sessions_of_a_replica_are_refused_before_ray_starts() -> None:
    pytest.importorskip("ray.serve")
    given = {"CUSTOM_SCRIPT_FILENAME": "opens_engine_sessions.py", "HANDRAIL_RAY_MAX_REPLICAS": "2"}
    ended = run("serve", SCRIPTS, "--engine", "echo", "--ray", "--port", "0", **given)
    assert ended.returncode == 2
    assert "handrail: HANDRAIL_RAY_MAX_REPLICAS is 2, and open_session (" in ended.stderr
