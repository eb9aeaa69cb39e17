"""The rows: one per behaviour, by theme."""

from __future__ import annotations

from tests.compat.table import Scenario
from tests.truss.rows import calls, errors, health, life, returns, routes, sockets, streams

THEMES: dict[str, tuple[Scenario, ...]] = {
    "Making and loading": life.ROWS,
    "What a method takes": calls.ROWS,
    "What it returns": returns.ROWS,
    "Streams": streams.ROWS,
    "Errors": errors.ROWS,
    "Routes": routes.ROWS,
    "Health": health.ROWS,
    "WebSockets": sockets.ROWS,
}

ALL: tuple[Scenario, ...] = tuple(row for rows in THEMES.values() for row in rows)
