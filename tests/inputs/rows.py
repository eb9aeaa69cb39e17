"""All rows, by theme."""

from __future__ import annotations

from tests.inputs import bodies, details, parameters, streams
from tests.inputs.table import Row

THEMES: dict[str, tuple[Row, ...]] = {
    "Bodies and routes": bodies.ROWS,
    "Parameters": parameters.ROWS,
    "Details": details.ROWS,
    "Streams": streams.ROWS,
}

ALL = tuple(row for rows in THEMES.values() for row in rows)
