"""The rows of docs/compatibility/lmi.md, by theme."""

from __future__ import annotations

from tests.lmi import rows_handle
from tests.lmi.rows_bodies import DECODING, TOOLKIT
from tests.lmi.rows_errors import RAISED, REFUSED
from tests.lmi.rows_formatters import INPUT, OUTPUT
from tests.lmi.rows_predictions import PREDICTION
from tests.lmi.rows_streams import STREAMS
from tests.lmi.table import Row

THEMES: dict[str, tuple[Row, ...]] = {
    "Input formatters": INPUT,
    "Output formatters": OUTPUT,
    "Streams through an output formatter": STREAMS,
    "Prediction handlers": PREDICTION,
    "What a body becomes": DECODING,
    "`handle`": rows_handle.HANDLE,
    "`Input`": rows_handle.INPUT,
    "`Output`": rows_handle.OUTPUT,
    "Streams of `handle`": rows_handle.STREAMS,
    "SageMaker's functions": TOOLKIT,
    "What is raised": RAISED,
    "What is refused": REFUSED,
}
ALL = tuple(row for rows in THEMES.values() for row in rows)
