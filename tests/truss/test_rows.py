"""The rows against `handrail serve`; scripts/compare-truss runs them on Truss's own server as well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.compat.observe import Observed, differences, observe
from tests.compat.table import Scenario
from tests.truss.launchers import OURS
from tests.truss.rows import ALL

SERVERS_AT_A_TIME = 3

Observe = Callable[[Scenario], Observed]


@pytest.fixture(scope="session")
def observed(request: pytest.FixtureRequest) -> Iterator[Observe]:
    """What a server did, by row; rows that start the same way share a server, as in tests/compat."""
    starts: defaultdict[object, list[Scenario]] = defaultdict(list)
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.originalname == test_a_row.__name__:
            given: Any = item.callspec.params["row"]
            starts[given.start].append(given)
    with ThreadPoolExecutor(SERVERS_AT_A_TIME) as pool:
        running: dict[object, Future[dict[str, Observed]]] = {}

        def result(row: Scenario) -> Observed:
            if row.start not in running:
                running[row.start] = pool.submit(_run, starts[row.start])
            return running[row.start].result()[row.name]

        if not hasattr(request.config, "workerinput"):  # a worker of xdist does not know what will be its own
            running.update({start: pool.submit(_run, rows) for start, rows in starts.items()})
        yield result


def _run(rows: list[Scenario]) -> dict[str, Observed]:
    return observe(OURS, [(row, row.ours) for row in rows])


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
def test_a_row(row: Scenario, observed: Observe) -> None:
    assert not differences(row.ours, observed(row))


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in ALL]
    assert sorted(set(names)) == sorted(names)


def test_every_difference_has_its_reason() -> None:
    for row in ALL:
        assert (row.theirs is not None) == bool(row.reason or row.fails), row.name
