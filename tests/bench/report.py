"""docs/explanation/performance.md: the figures of each part stand between two marks; the rest is by hand."""

from __future__ import annotations

import platform
from pathlib import Path

from tests.bench.plot import svg
from tests.bench.table import Table
from tests.compat.launchers import ROOT

DOCUMENT = ROOT / "docs" / "explanation" / "performance.md"


def write(table: Table, document: Path = DOCUMENT) -> None:
    """Raises ValueError where `document` has no place for the part."""
    begins, ends = f"<!-- bench: {table.part} -->", f"<!-- bench: end of {table.part} -->"
    before, found, rest = document.read_text().partition(begins)
    _, found_end, after = rest.partition(ends)
    if not (found and found_end):
        raise ValueError(f"{document} has no {begins} … {ends}")
    body = markdown(table)
    if table.charts:
        drawn = document.with_name(f"performance-{table.part}.svg")
        drawn.write_text(svg(list(table.charts)))
        body += f"\n![{table.title}]({drawn.name})\n"
    document.write_text(f"{before}{begins}\n{body}{ends}{after}")


def markdown(table: Table) -> str:
    lines = [
        f"{table.how} Python {platform.python_version()}.",
        "",
        *(_cells(row) for row in (table.header, ["---"] * len(table.header), *table.rows)),
        "",
        *(f"- {line}" for line in table.verdicts),
        *(f"- missing: {line.splitlines()[0]}" for line in table.missing),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _cells(cells: object) -> str:
    assert isinstance(cells, list | tuple)
    return f"| {' | '.join(cells)} |"
