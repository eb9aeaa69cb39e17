"""Configures the log: one handler on the root logger, unless there is one already."""

from __future__ import annotations

import logging
import sys
import threading

from handrail.core.redaction import Redactor

from handrail_container.process.log_lines import JsonLines, PlainLines

logger = logging.getLogger("handrail")

#: Uvicorn's messages about streams that are cut, requests that are refused, and offers of HTTP/2.
_NO_NEWS = (
    "returned without completing response",
    "Invalid HTTP request received",
    "Unsupported upgrade request",
    "No supported WebSocket library detected",
)


def configure(level: str, form: str, redactor: Redactor) -> None:
    """Log to standard error at `level`, without what `redactor` hides; user loggers go through the root logger.

    `form` is `json`, `plain`, or `auto`: plain where standard error is a terminal.
    """
    root = logging.getLogger()
    if not root.handlers:
        is_plain = form == "plain" or (form == "auto" and sys.stderr.isatty())
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(PlainLines(redactor) if is_plain else JsonLines(redactor))
        root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(is_json())  # a warning that Python prints is several lines, and not JSON
    # They log an INFO line for each request, which says nothing that our own access log does not.
    for chatty in ("httpx", "watchfiles"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def log_what_threads_raise() -> None:
    """Python prints such an exception past the log, and nothing for a `sys.exit()`, which only ends its thread."""
    threading.excepthook = _thread_raised


def _thread_raised(raised: threading.ExceptHookArgs) -> None:
    name = raised.thread.name if raised.thread is not None else "?"
    error = raised.exc_value or raised.exc_type()
    logger.error("thread %r ended with %r; the server goes on", name, error, exc_info=error)


def is_json() -> bool:
    """Whether the log is JSON: then all that is written to it has to be."""
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether uvicorn's line adds to our own: we cut streams on purpose, and log that ourselves."""
    return record.levelno > logging.INFO and not any(known in record.getMessage() for known in _NO_NEWS)
