"""The rows of docs/compatibility/lmi-configuration.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "compatibility" / "lmi-configuration.md"
_ROW = re.compile(r"\| (`[^|]+`) \| `([^|]*)` \| (mapped|used|ignored|refused) \| ([^|]+) \|")


@dataclass(frozen=True)
class Row:
    """One key with a value, and what the page says of it."""

    key: str
    value: str
    outcome: str
    note: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


def rows() -> Iterator[Row]:
    for line in PAGE.read_text().partition("## The keys")[2].splitlines():
        if found := _ROW.fullmatch(line):
            keys, value, outcome, note = found.groups()
            yield from (Row(key, value, outcome, note.strip("`")) for key in re.findall(r"`([^`]+)`", keys))
