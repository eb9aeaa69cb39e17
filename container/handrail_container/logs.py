"""What the log looks like: one handler on the root logger, none where somebody already put theirs."""

from __future__ import annotations

import logging
import sys

from handrail.redaction import Redactor

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class RedactingFormatter(logging.Formatter):
    """Its lines, tracebacks included, are without what `redactor` hides."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(FORMAT, datefmt="%H:%M:%S")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor(super().format(record))


def configure(level: str, redactor: Redactor) -> None:
    """Log to standard error at `level`, without what `redactor` hides; user loggers go through the root logger."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(RedactingFormatter(redactor))
        root.addHandler(handler)
    root.setLevel(level)
    # One INFO line a request of theirs says nothing that our own access log does not.
    for chatty in ("httpx", "watchfiles"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether uvicorn's line says something that ours have not: we cut streams on purpose, and say so ourselves."""
    if "returned without completing response" in record.getMessage():
        return False
    return record.levelno > logging.INFO
