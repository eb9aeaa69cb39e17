"""The rows on the echo engine, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail_container.server.serving import StartRefused

from tests.lmi import report
from tests.lmi.rows import ALL
from tests.lmi.table import Row
from tests.toolkit.in_process import serving
from tests.toolkit.table import Answer


async def ask(row: Row, folder: Path) -> Answer:
    """What is answered to the row's request, or why there is no start."""
    folder.mkdir()
    for name, text in row.files.items():
        (folder / name).write_text(text)
    try:
        async with serving(folder, **row.environment) as client:
            got = await client.post("/invocations", content=row.sent, headers=dict(row.headers))
    except StartRefused as refusal:
        return Answer(None, text=" ".join(map(str, refusal.faults)))
    kind = got.headers.get("content-type")
    return Answer(got.status_code, content_type=kind, headers=dict(got.headers), body=got.content)


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
async def test_a_row(row: Row, tmp_path: Path) -> None:
    seen = await ask(row, tmp_path / "ml")
    assert row.answer.fits(seen), seen


def test_each_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ALL}) == len(ALL)


def test_each_difference_has_its_reason() -> None:
    assert [row.name for row in ALL if row.why and row.ours == "the same"] == []


def test_the_page_has_the_rows() -> None:
    """`python -m tests.lmi.report` writes them."""
    assert report.PAGE.read_text() == report.page()
