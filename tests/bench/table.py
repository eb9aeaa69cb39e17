"""What a part of the bench found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Series:
    """A line of a chart, or its bars where every x is a name."""

    name: str
    points: Sequence[tuple[float | str, float]]


@dataclass(frozen=True)
class Chart:
    """`is_log` is the scale of both axes."""

    title: str
    unit: str
    series: Sequence[Series]
    is_log: bool = False


@dataclass(frozen=True)
class Table:
    """One part's figures in words: `verdicts` hold them against the budgets, `missing` says what could not be had."""

    part: str
    title: str
    how: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    verdicts: Sequence[str] = ()
    missing: Sequence[str] = ()
    charts: Sequence[Chart] = field(default_factory=tuple)


@dataclass(frozen=True)
class Effort:
    """How much to measure: rounds of so many seconds, and only these peers (all, where it is empty)."""

    rounds: int = 5
    seconds: float = 3.0
    only: frozenset[str] = frozenset()

    def wants(self, name: str) -> bool:
        return not self.only or name in self.only


def verdict(what: str, value: float, limit: float, *, at_least: bool = False) -> str:
    """A line of the kind "within" or "OVER"."""
    is_kept = value >= limit if at_least else value <= limit
    sign = "at least" if at_least else "at most"
    return f"{'within' if is_kept else '**over**'}: {what} {value:.3g}, budget {sign} {limit:g}"


def load_average() -> str:
    return f"{os.getloadavg()[0]:.1f}"
