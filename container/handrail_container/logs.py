"""What is logged, and in which form: one handler on the root logger, none where somebody already put theirs."""

from __future__ import annotations

import logging
import sys

from handrail_container.log_lines import Json, Plain


def configure(level: str, form: str) -> None:
    """Log to standard error at `level`; user loggers are seen through the root logger.

    `form` is `json`, `plain`, or `auto`: plain where standard error is a terminal.
    """
    root = logging.getLogger()
    if not root.handlers:
        is_plain = form == "plain" or (form == "auto" and sys.stderr.isatty())
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(Plain() if is_plain else Json())
        root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(is_json())  # what Python prints of its own accord is several lines, and no object
    # One INFO line a request of theirs says nothing that our own access log does not.
    for chatty in ("httpx", "watchfiles"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def is_json() -> bool:
    """Whether the log is for machines: then all that is written to it has to be."""
    return any(isinstance(handler.formatter, Json) for handler in logging.getLogger().handlers)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether uvicorn's line says something that ours have not: we cut streams on purpose, and say so ourselves."""
    if "returned without completing response" in record.getMessage():
        return False
    return record.levelno > logging.INFO
