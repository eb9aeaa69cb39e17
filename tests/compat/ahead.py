"""Rows of a table on shared servers: those that start the same way share one, and it is started ahead of its tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.compat.launchers import Launcher
from tests.compat.observe import Observed, observe
from tests.compat.table import Scenario

#: More than there are cores: a server that starts and a client that waits for it take turns.
SERVERS_AT_A_TIME = 3

Observe = Callable[[Scenario], Observed]


def together(rows: Sequence[Scenario], table: str) -> list[Any]:
    """Parameters of a test, with those that share a server in one group: one worker of xdist has all of them."""
    firsts: dict[object, str] = {}
    return [
        pytest.param(
            row, id=row.name, marks=pytest.mark.xdist_group(f"{table}: {firsts.setdefault(row.start, row.name)}")
        )
        for row in rows
    ]


@contextmanager
def observing(session: pytest.Session, test: Callable[..., object], launcher: Launcher) -> Iterator[Observe]:
    """What a server did, by a row that `test` is parametrised with; a worker of xdist, which does not know what will be
    its own, starts each server when it is asked for."""
    starts: defaultdict[object, list[Scenario]] = defaultdict(list)
    for item in session.items:
        if isinstance(item, pytest.Function) and item.function is test:
            (row,) = item.callspec.params.values()
            starts[row.start].append(row)

    def run(rows: list[Scenario]) -> dict[str, Observed]:
        return observe(launcher, [(row, row.ours) for row in rows])

    with ThreadPoolExecutor(SERVERS_AT_A_TIME) as pool:
        running: dict[object, Future[dict[str, Observed]]] = {}

        def result(row: Any) -> Observed:
            if row.start not in running:
                running[row.start] = pool.submit(run, starts[row.start])
            return running[row.start].result()[row.name]

        if not hasattr(session.config, "workerinput"):
            running.update({start: pool.submit(run, rows) for start, rows in starts.items()})
        yield result
