"""The rows on the echo engine, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.endpoint_handler import report
from tests.endpoint_handler.rows import ALL
from tests.endpoint_handler.table import Row, ask


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
async def test_a_row(row: Row, tmp_path: Path) -> None:
    seen = await ask(row, tmp_path / "ml")
    assert row.answer.fits(seen), seen


def test_each_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ALL}) == len(ALL)


def test_each_difference_has_its_reason() -> None:
    assert [row.name for row in ALL if bool(row.there) != bool(row.why)] == []


def test_the_page_has_the_rows() -> None:
    """`python -m tests.endpoint_handler.report` writes them."""
    assert report.PAGE.read_text() == report.page()
