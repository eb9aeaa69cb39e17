"""The compatibility table through Ray, as far as a tier has time: `python -m tests.compat.on_ray` has the rest."""

from __future__ import annotations

import pytest

from tests.compat.launchers import Launcher
from tests.compat.on_ray import by_start, differing
from tests.compat.scenarios import ALL
from tests.compat.table import Scenario

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

#: The fewest starts that most rows share.
STARTS = by_start(list(ALL))[:4]


@pytest.mark.parametrize("scenarios", STARTS, ids=lambda scenarios: scenarios[0].name)
def test_rows_hold(scenarios: list[Scenario], launcher: Launcher) -> None:
    differs = {name: found for name, found in differing(launcher, scenarios).items() if found}
    assert differs == {}
