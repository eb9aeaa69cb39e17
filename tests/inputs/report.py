"""Writes the tables of docs/compatibility/inputs.md: `python -m tests.inputs.report`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.inputs.rows import ALL, THEMES

PAGE = Path(__file__).parents[2] / "docs" / "compatibility" / "inputs.md"
_MARKED = re.compile(r"(?s)<!-- rows -->\n.*?<!-- end -->")
_HEAD = "| behaviour | TGI | LMI | Handrail | as | why |\n|---|---|---|---|---|---|"


def page() -> str:
    """The page as it is, with the rows of today between its marks."""
    return _MARKED.sub(lambda _: "\n".join(_lines()), PAGE.read_text())


def _lines() -> Iterator[str]:
    both, lmi, tgi, neither = (sum(row.like == like for row in ALL) for like in ("both", "LMI", "TGI", "neither"))
    yield "<!-- rows -->"
    yield f"Of {len(ALL)} behaviours {both} are as in both, {lmi} as in LMI, {tgi} as in TGI, {neither} as in neither."
    for theme, rows in THEMES.items():
        yield f"\n## {theme}\n\n{_HEAD}"
        for row in rows:
            yield f"| {row.name} | {row.tgi} | {row.lmi} | {row.ours} | {row.like} | {row.why} |"
    yield "\n<!-- end -->"


if __name__ == "__main__":
    PAGE.write_text(page())
