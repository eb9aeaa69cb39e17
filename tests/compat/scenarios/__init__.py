"""The table: one row per documented behaviour, by theme."""

from __future__ import annotations

from tests.compat.scenarios import (
    formatters,
    hooks,
    ladder,
    levels,
    loading,
    middleware,
    references,
    returns,
    signatures,
    stand_in,
)
from tests.compat.table import Scenario

THEMES: dict[str, tuple[Scenario, ...]] = {
    "Who answers": ladder.SCENARIOS,
    "References": references.SCENARIOS,
    "Loading the script": loading.SCENARIOS,
    "Log levels": levels.SCENARIOS,
    "What a handler may take": signatures.SCENARIOS,
    "What a handler may return": returns.SCENARIOS,
    "The library's names": stand_in.SCENARIOS,
    "Pre- and post-processing": formatters.SCENARIOS,
    "Middleware": middleware.SCENARIOS,
    "Start and end": hooks.SCENARIOS,
}

ALL: tuple[Scenario, ...] = tuple(scenario for scenarios in THEMES.values() for scenario in scenarios)
