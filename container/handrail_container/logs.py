"""What the log looks like: one handler on the root logger, none where somebody already put theirs."""

from __future__ import annotations

import logging
import sys

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


#: What uvicorn says of streams that are cut and of requests that are refused, and of each request for HTTP/2.
_NO_NEWS = (
    "returned without completing response",
    "Invalid HTTP request received",
    "Unsupported upgrade request",
    "No supported WebSocket library detected",
)


def configure(level: str) -> None:
    """Log to standard error at `level`; user loggers are seen through the root logger."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(FORMAT, datefmt="%H:%M:%S"))
        root.addHandler(handler)
    root.setLevel(level)
    # One INFO line a request of theirs says nothing that our own access log does not.
    for chatty in ("httpx", "watchfiles"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether uvicorn's line says something that ours have not: we cut streams on purpose, and say so ourselves."""
    return record.levelno > logging.INFO and not any(known in record.getMessage() for known in _NO_NEWS)
