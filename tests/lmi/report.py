"""Writes the tables of docs/compatibility/lmi.md: `python -m tests.lmi.report`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.lmi.rows import ALL, THEMES

PAGE = Path(__file__).parents[2] / "docs" / "compatibility" / "lmi.md"
_MARKED = re.compile(r"(?s)<!-- rows -->\n.*?<!-- end -->")
_HEAD = "| behaviour | LMI | Handrail | as | why |\n|---|---|---|---|---|"


def page() -> str:
    """The page as it is, with the rows of today between its marks."""
    return _MARKED.sub(lambda _: "\n".join(_lines()), PAGE.read_text())


def _lines() -> Iterator[str]:
    same = sum(not row.why for row in ALL)
    yield "<!-- rows -->"
    yield f"Of {len(ALL)} behaviours {same} are as in LMI, and {len(ALL) - same} are not, for the reason in the row."
    for theme, rows in THEMES.items():
        yield f"\n## {theme}\n\n{_HEAD}"
        for row in rows:
            yield f"| {row.name} | {row.lmi} | {row.ours} | {'Handrail' if row.why else 'LMI'} | {row.why} |"
    yield "\n<!-- end -->"


if __name__ == "__main__":
    PAGE.write_text(page())
