"""Code that runs in vLLM's own processes. vLLM's logging configuration names these classes, so each process makes them.

The logging configuration is the only way to run our code in a vLLM process before its own.
"""

from __future__ import annotations

import json
import logging
import logging.config
import multiprocessing
import os
import signal
import threading
import traceback
from multiprocessing.connection import wait
from pathlib import Path

from handrail_container.engine.vllm import amx
from handrail_container.engine.vllm.root_cause import root_cause


class CauseHandler(logging.Handler):
    """Writes the cause of every exception that vLLM logs to `path`. Making one also ends this process with its parent
    and requests AMX, which vLLM does not."""

    def __init__(self, path: str) -> None:
        super().__init__(level=logging.ERROR)
        self.path = path
        end_with_parent()
        amx.allow()

    def emit(self, record: logging.LogRecord) -> None:
        if not multiprocessing.parent_process() or not record.exc_info or record.exc_info[1] is None:
            return
        line = {
            "process": record.processName,
            "cause": root_cause(record.exc_info[1]),
            "trace": "".join(traceback.format_exception(*record.exc_info)),
        }
        with open(self.path, "a") as file:
            file.write(json.dumps(line) + "\n")
        if (
            "failed to start" in record.getMessage()
            and record.levelno > logging.getLogger("vllm").level > logging.DEBUG
        ):
            _suppress_trace(record)


def end_with_parent() -> None:
    """End this process with its parent. Otherwise a killed server leaves its engine behind, holding device memory."""
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True, name="parent-watch").start()


def configure_logging() -> None:
    """Configure logging as vLLM does on import. A spare process imported vLLM before the configuration file existed."""
    if path := os.environ.get("VLLM_LOGGING_CONFIG_PATH"):
        logging.config.dictConfig(json.loads(Path(path).read_text()))


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _suppress_trace(record: logging.LogRecord) -> None:
    """Suppress the trace, which is in the file: vLLM would print it twice above the parent's one-line cause."""
    record.exc_info = record.exc_text = None
    traceback.print_exc = lambda *_args, **_options: None  # multiprocessing calls it as this process ends
