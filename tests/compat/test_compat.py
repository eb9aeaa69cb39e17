"""The table against `handrail serve`, a process for each way to start; scripts/compare runs it on the AWS library."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.compat.launchers import HANDRAIL_ECHO
from tests.compat.observe import Observed, differences, observe
from tests.compat.scenarios import ALL
from tests.compat.table import Scenario

#: More than there are cores: a server that starts and a client that waits for it take turns.
SERVERS_AT_A_TIME = 3

Observe = Callable[[Scenario], Observed]


@pytest.fixture(scope="session")
def observed(request: pytest.FixtureRequest) -> Iterator[Observe]:
    """What a server did, by scenario. Servers of the tests to come are started ahead; a worker of xdist, which does not
    know what will be its own, starts each when it is asked for."""
    is_worker = hasattr(request.config, "workerinput")
    starts: defaultdict[object, list[Scenario]] = defaultdict(list)
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.originalname == test_a_row_of_the_table.__name__:
            scenario: Any = item.callspec.params["scenario"]
            starts[scenario.start].append(scenario)
    with ThreadPoolExecutor(SERVERS_AT_A_TIME) as pool:
        running: dict[object, Future[dict[str, Observed]]] = {}

        def result(scenario: Scenario) -> Observed:
            if scenario.start not in running:
                running[scenario.start] = pool.submit(_run, starts[scenario.start])
            return running[scenario.start].result()[scenario.name]

        if not is_worker:
            running.update({start: pool.submit(_run, scenarios) for start, scenarios in starts.items()})
        yield result


def _run(scenarios: list[Scenario]) -> dict[str, Observed]:
    return observe(HANDRAIL_ECHO, [(scenario, scenario.ours) for scenario in scenarios])


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_a_row_of_the_table(scenario: Scenario, observed: Observe) -> None:
    assert not differences(scenario.ours, observed(scenario))


def test_every_row_has_a_name_of_its_own() -> None:
    names = [scenario.name for scenario in ALL]
    assert sorted(set(names)) == sorted(names)


def test_every_difference_has_its_reason() -> None:
    for scenario in ALL:
        differs = scenario.theirs is not None
        assert differs == bool(scenario.reason or scenario.fails), scenario.name
