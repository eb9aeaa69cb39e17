"""docs/compatibility/truss.md is what the generator writes: nobody's hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.truss import report
from tests.truss.rows import ALL, THEMES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "compatibility" / "truss.md").read_text()


def test_the_document_has_what_its_generator_says() -> None:
    """What is said around the rows, and of each row its name, its verdict and the reason."""
    counts = Counter(map(report.verdict_of, ALL))
    assert DOCUMENT.startswith(report.HEAD)
    assert report.REMARKS in DOCUMENT
    assert f"Of {len(ALL)} behaviours {counts['same']} are the same, {counts['better']} are better here" in DOCUMENT
    written = [line for line in DOCUMENT.splitlines() if line.startswith("| ")]
    for row in ALL:
        ends = f"| {report.verdict_of(row)} | {row.reason or row.fails} |"
        assert [line for line in written if line.startswith(f"| {row.name} | ") and line.endswith(ends)], row.name
    assert [line.removeprefix("## ") for line in DOCUMENT.splitlines() if line.startswith("## ")][2:] == list(THEMES)


def test_rates_may_be_kept_as_they_are() -> None:
    """The section, from its heading to the next."""
    kept = report.kept_rates(f"# T\n\n## One\n\na\n\n{report.RATES}\nb\n\n| c |\n\n## Two\n\nd\n")
    assert kept == f"{report.RATES}\nb\n\n| c |\n"
    assert report.kept_rates(kept) == kept
    assert report.kept_rates(DOCUMENT) in DOCUMENT
