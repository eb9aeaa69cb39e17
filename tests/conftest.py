"""Servers for tests: `launch` gives each test its own, `serving` one that is shared by all that ask for the same."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import SCRIPTS, Served

# How long an example takes says how busy the machine is, nothing of the code.
settings.register_profile("handrail", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("handrail")

Launch = Callable[..., Served]
#: Fixtures of servers that are processes.
_IN_PROCESSES = frozenset(("launch", "serving", "plain", "observed"))

#: Fixtures of servers on vLLM that several files ask.
_ON_VLLM = ("served", "lora", "quickstart")


def pytest_collection() -> None:
    """Nothing of what is imported and collected is garbage: the collector would look at it again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file that share servers run in one worker of xdist, so that none of their servers starts twice.
    Tests that ask a server in a process of its own are slow ones."""
    for item in items:
        if isinstance(item, pytest.Function):
            if group := _group(item):
                item.add_marker(pytest.mark.xdist_group(group))
            if not _IN_PROCESSES.isdisjoint(item.fixturenames):
                item.add_marker(pytest.mark.slow)


def _group(test: pytest.Function) -> str | None:
    """Name of those that share a server with `test`."""
    known = test._fixtureinfo.name2fixturedefs
    scopes = {name: known[name][-1].scope for name in test.fixturenames if name in known}
    on_vllm = [name for name in _ON_VLLM if scopes.get(name) == "session"]
    return on_vllm[0] if on_vllm else str(test.path) if "module" in scopes.values() else None


@pytest.fixture(scope="session")
def leaving() -> Iterator[list[Served]]:
    """Servers that were told to end: the next test does not wait for them. That they end is seen with the last."""
    leaving: list[Served] = []
    with ExitStack() as stack:
        yield leaving
        for served in leaving:
            stack.callback(served.stopped)


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory, leaving: list[Served]) -> Iterator[Launch]:
    """Start `handrail serve FOLDER --engine echo` with arguments and environment; it is told to stop when the test
    ends."""
    logs = tmp_path_factory.mktemp("logs")
    started: list[Served] = []

    def start(folder: Path, *arguments: str | Path, **environment: str) -> Served:
        given = {"HANDRAIL_ENGINE": "echo", **environment}
        started.append(Served(folder, logs / f"{len(started)}.log", *arguments, **given))
        return started[-1]

    yield start
    for served in started:
        served.http.close()
        served.signal()
    leaving[:] = [served for served in (*leaving, *started) if served.process.poll() is None]


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server of no script, told nothing: several files ask it."""
    with closing(_Shared(tmp_path_factory)) as shared:
        yield shared.server()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Launch]:
    """A ready server of one of `tests/scripts` (None: of no script) and an environment. Tests leave it as it is.

    It ends with its file: a server that waits for requests wakes twenty times a second, and sixty of them take a core.
    """
    with closing(_Shared(tmp_path_factory)) as shared:

        def serve(script: str | None = None, **environment: str) -> Served:
            if script is None and not environment:
                served: Served = request.getfixturevalue("plain")
            else:
                served = shared.server(script, **environment)
            return served.ready()

        yield serve


class _Shared:
    """Servers, each started when it is first asked for."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._logs, self._empty = folders.mktemp("logs"), folders.mktemp("empty")
        self._served: dict[object, Served] = {}

    def server(self, script: str | None = None, **environment: str) -> Served:
        given = {"HANDRAIL_ENGINE": "echo", **environment}
        if script is not None:
            given["CUSTOM_SCRIPT_FILENAME"] = script
        key = frozenset(given.items())
        if key not in self._served:
            log = self._logs / f"{len(self._served)}.log"
            self._served[key] = Served(SCRIPTS if script else self._empty, log, **given)
        return self._served[key]

    def close(self) -> None:
        """All at once: each takes a moment to end."""
        with ExitStack() as stack:
            for served in self._served.values():
                stack.callback(served.stopped)
                stack.callback(served.http.close)
                served.signal()
