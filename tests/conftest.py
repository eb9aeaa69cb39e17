"""Servers for tests: `launch` gives each test its own, `serving` one that is shared by all that ask for the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import SCRIPTS, Served

# How long an example takes says how busy the machine is, nothing of the code.
settings.register_profile("handrail", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("handrail")

Launch = Callable[..., Served]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file that share servers run in one worker of xdist, so that none of their servers starts twice."""
    for item in items:
        if "serving" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Start `handrail serve FOLDER --engine echo` with arguments and environment; it is stopped when the test ends."""
    logs = tmp_path_factory.mktemp("logs")
    number = count()
    with ExitStack() as stack:

        def start(folder: Path, *arguments: str | Path, **environment: str) -> Served:
            given = {"HANDRAIL_ENGINE": "echo", **environment}
            served = Served(folder, logs / f"{next(number)}.log", *arguments, **given)
            stack.callback(served.stop)
            return served

        yield start


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """A ready server of one of `tests/scripts` (None: of no script) and an environment. Tests leave it as it is."""
    logs, empty, number = tmp_path_factory.mktemp("logs"), tmp_path_factory.mktemp("empty"), count()
    shared: dict[object, Served] = {}
    stack = ExitStack()

    def serve(script: str | None = None, **environment: str) -> Served:
        given = {"HANDRAIL_ENGINE": "echo", **environment}
        if script is not None:
            given["CUSTOM_SCRIPT_FILENAME"] = script
        key = frozenset(given.items())
        if key not in shared:
            shared[key] = Served(SCRIPTS if script else empty, logs / f"{next(number)}.log", **given)
            stack.callback(shared[key].stop)
        return shared[key].ready()

    with stack:
        yield serve
