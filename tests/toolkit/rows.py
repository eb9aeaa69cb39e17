"""The rows of docs/compatibility/inference-toolkit.md, by theme."""

from __future__ import annotations

from tests.toolkit.rows_answers import ANSWERS, CONTEXT, ERRORS
from tests.toolkit.rows_functions import FILES, FUNCTIONS
from tests.toolkit.rows_requests import ACCEPTS, BODIES
from tests.toolkit.table import Row

THEMES: dict[str, tuple[Row, ...]] = {
    "The functions": FUNCTIONS,
    "The script's file": FILES,
    "What a body becomes": BODIES,
    "What a client accepts": ACCEPTS,
    "What is answered": ANSWERS,
    "The context": CONTEXT,
    "Errors": ERRORS,
}
ALL = tuple(row for rows in THEMES.values() for row in rows)
