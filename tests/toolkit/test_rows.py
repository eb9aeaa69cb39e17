"""The rows against Handrail; `scripts/compare-toolkit` runs them on the toolkit itself as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toolkit import report
from tests.toolkit.in_process import ask
from tests.toolkit.rows import ALL
from tests.toolkit.table import Row


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
async def test_a_row(row: Row, tmp_path: Path) -> None:
    seen = await ask(row, tmp_path / "ml")
    assert row.ours.fits(seen), seen


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ALL}) == len(ALL)


def test_every_verdict_is_what_was_recorded() -> None:
    assert {name: problem for name, problem in report.disagreements().items() if problem} == {}


def test_nothing_else_is_recorded() -> None:
    _, theirs = report.recorded()
    assert theirs.keys() == {row.name for row in ALL}
