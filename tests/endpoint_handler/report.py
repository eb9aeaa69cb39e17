"""Writes the tables of docs/compatibility/endpoint-handler.md: `python -m tests.endpoint_handler.report`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.endpoint_handler.rows import ALL, THEMES

PAGE = Path(__file__).parents[2] / "docs" / "compatibility" / "endpoint-handler.md"
_MARKED = re.compile(r"(?s)<!-- rows -->\n.*?<!-- end -->")
_HEAD = "| behaviour | Handrail | Hugging Face's toolkit | why |\n|---|---|---|---|"


def page() -> str:
    """The page as it is, with the rows of today between its marks."""
    return _MARKED.sub(lambda _: "\n".join(_lines()), PAGE.read_text())


def _lines() -> Iterator[str]:
    same = sum(not row.there for row in ALL)
    yield "<!-- rows -->"
    yield f"Of {len(ALL)} behaviours {same} are the same; the others differ for the reason in the row."
    for theme, rows in THEMES.items():
        yield f"\n## {theme}\n\n{_HEAD}"
        for row in rows:
            yield f"| {row.name} | {row.here} | {row.there or 'the same'} | {row.why} |"
    yield "\n<!-- end -->"


if __name__ == "__main__":
    PAGE.write_text(page())
