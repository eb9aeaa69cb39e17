"""The rows against `handrail serve`; scripts/compare-truss runs them on Truss's own server as well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compat.ahead import Observe, observing, together
from tests.compat.observe import differences
from tests.compat.table import Scenario
from tests.truss.launchers import OURS
from tests.truss.rows import ALL


@pytest.fixture(scope="session")
def observed(request: pytest.FixtureRequest) -> Iterator[Observe]:
    with observing(request.session, test_a_row, OURS) as observe:
        yield observe


@pytest.mark.parametrize("row", together(ALL, "truss"))
def test_a_row(row: Scenario, observed: Observe) -> None:
    assert not differences(row.ours, observed(row))


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in ALL]
    assert sorted(set(names)) == sorted(names)


def test_every_difference_has_its_reason() -> None:
    for row in ALL:
        assert (row.theirs is not None) == bool(row.reason or row.fails), row.name
