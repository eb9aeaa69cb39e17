"""docs/compatibility/adopted.md has the rows of the code, and each names a test that there is."""

from __future__ import annotations

from pathlib import Path

from tests.adoption import report

TESTS = Path(__file__).parents[1]


def test_the_page_has_the_rows_of_today() -> None:
    assert report.PAGE.read_text() == report.page(), "run python -m tests.adoption.report"


def test_each_row_names_a_test() -> None:
    for rows in report.SURFACE.values():
        for row in rows:
            file, _, name = row.test.partition("::")
            assert f"def {name}(" in (TESTS / file).read_text(), row.test
