"""The table against `handrail serve`, a process for each way to start; scripts/compare runs it on the AWS library."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compat.ahead import Observe, observing, together
from tests.compat.launchers import HANDRAIL_ECHO
from tests.compat.observe import differences
from tests.compat.scenarios import ALL
from tests.compat.table import Scenario


@pytest.fixture(scope="session")
def observed(request: pytest.FixtureRequest) -> Iterator[Observe]:
    with observing(request.session, test_a_row_of_the_table, HANDRAIL_ECHO) as observe:
        yield observe


@pytest.mark.parametrize("scenario", together(ALL, "compat"))
def test_a_row_of_the_table(scenario: Scenario, observed: Observe) -> None:
    assert not differences(scenario.ours, observed(scenario))


def test_every_row_has_a_name_of_its_own() -> None:
    names = [scenario.name for scenario in ALL]
    assert sorted(set(names)) == sorted(names)


def test_every_difference_has_its_reason() -> None:
    for scenario in ALL:
        differs = scenario.theirs is not None
        assert differs == bool(scenario.reason or scenario.fails), scenario.name
