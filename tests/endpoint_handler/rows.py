"""The rows of docs/compatibility/endpoint-handler.md, by theme."""

from __future__ import annotations

from tests.endpoint_handler.rows_answers import ACCEPTS, ANSWERS, ERRORS
from tests.endpoint_handler.rows_handler import CLASS, FILES
from tests.endpoint_handler.rows_requests import BODIES, ROUTES
from tests.endpoint_handler.table import Row

THEMES: dict[str, tuple[Row, ...]] = {
    "The file": FILES,
    "The class": CLASS,
    "What a body becomes": BODIES,
    "Routes": ROUTES,
    "What is answered": ANSWERS,
    "What a client accepts": ACCEPTS,
    "Errors": ERRORS,
}
ALL = tuple(row for rows in THEMES.values() for row in rows)
