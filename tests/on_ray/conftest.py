"""`handrail serve --ray`, which takes ten seconds to start and gigabytes to run: one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from handrail_container.engine import ray_cluster

from tests.compat.launchers import Launcher
from tests.compat.on_ray import on_a_cluster
from tests.servers import SCRIPTS, Served, eventually

READY_S = 240.0


@pytest.fixture(scope="session", autouse=True)
def _needs_ray() -> None:
    if not ray_cluster.is_installed():
        pytest.skip("needs Ray Serve: pip install '.[ray]'")


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """Of servers on a cluster that stays. It takes one of them at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_SERVE_SLOW_STARTUP_WARNING_S", "1")
        with on_a_cluster() as made:
            yield made


@pytest.fixture
def address(launcher: Launcher) -> str:
    """Of that cluster. A server on it starts in a third of the time."""
    return launcher.environment["RAY_ADDRESS"]


def has_all_replicas(served: Served, patience_s: float = READY_S) -> None:
    """Return once it has."""

    def settled() -> bool:
        assert served.process.poll() is None, served.stderr
        return "Ray Serve has all replicas" in served.stderr

    eventually(settled, "all replicas", patience_s)


@contextmanager
def fleet(log: Path, script: str | None = None, *arguments: str, **given: str) -> Iterator[Served]:
    """Ready, and stopped with exit status 0."""
    folder = SCRIPTS if script else log.parent
    environment = {"HANDRAIL_ENGINE": "echo", "HANDRAIL_ACCESS_LOG": "all", **given}
    if script:
        environment["CUSTOM_SCRIPT_FILENAME"] = script
    served = Served(folder, log, "--ray", *arguments, **environment)
    try:
        has_all_replicas(served)
        yield served.ready()
    finally:
        assert served.stop() == 0


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two replicas that say which of them answers, and keep sessions."""
    log = tmp_path_factory.mktemp("two") / "log"
    sessions = {"SAGEMAKER_ENABLE_STATEFUL_SESSIONS": "true", "SAGEMAKER_SESSIONS_PATH": str(log.parent / "sessions")}
    with fleet(log, "remembers_who.py", "--replicas", "2", **sessions) as served:
        yield served
