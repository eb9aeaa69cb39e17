"""What runs in vLLM's own processes. vLLM's logging configuration names these classes, so each process makes them.

That is the one place where a process of vLLM's runs something of ours before it does anything else.
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
    """Writes the cause of every exception vLLM logs to `path`, ends the process when its parent has ended, and asks for
    what vLLM does not ask for itself."""

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
            _keep_quiet(record)


def end_with_parent() -> None:
    """Without this a server that is killed leaves its engine behind, holding the memory of the device."""
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True, name="parent-watch").start()


def configure_logging() -> None:
    """As vLLM does where it is imported; here it was, before there was a file that says how."""
    if path := os.environ.get("VLLM_LOGGING_CONFIG_PATH"):
        logging.config.dictConfig(json.loads(Path(path).read_text()))


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _keep_quiet(record: logging.LogRecord) -> None:
    """The parent ends with the cause in one line; the trace, which is in the file, would be printed twice above it."""
    record.exc_info = record.exc_text = None
    traceback.print_exc = lambda *_args, **_options: None  # multiprocessing's, as this process ends
