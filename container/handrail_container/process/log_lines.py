"""The two forms of a log line, plain and JSON, both without what a redactor hides.

vLLM's own processes use `JsonLines` as well.
"""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from handrail.core.redaction import Redactor
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

#: The id of the request that the present task or thread works on.
request_id: ContextVar[str] = ContextVar("request_id", default="")

#: Attributes that uvicorn and vLLM put on log records for formatters of their own.
_THEIRS = ("color_message", "fileinfo", "vllm_process_name")

#: Characters that move a terminal's cursor, change its colors, or end a line for some reader. Tab and line feed are not
#: among them.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_INDENT = "    "


class PlainLines(logging.Formatter):
    """For a terminal: one readable line, then further lines of the message and the traceback, indented. A message may
    hold a client's text: it can neither begin a line that looks like a record nor control the terminal."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor()
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        text = self._redactor(super().format(record))
        return _CONTROLS.sub(_escaped, text).replace("\n", f"\n{_INDENT}")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line, known = super().formatMessage(record), request_id.get()
        return line if not known or known in record.message else f"{line} request_id={known}"


class JsonLines(JsonFormatter):
    """For log collectors: one object a record, with `time`, `level`, `logger`, `message`, `request_id` if there is a
    request, `traceback` if an exception was logged, `process` in one of vLLM's, and the record's extras."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor()
        renamed = {"exc_info": "traceback", "stack_info": "stack"}
        super().__init__([], rename_fields=renamed, reserved_attrs=[*RESERVED_ATTRS, *_THEIRS])

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor(super().format(record))

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        ours = _fields(record)
        log_data.update(ours)
        super().add_fields(log_data, record, message_dict)
        log_data.update(ours)  # an extra of the same name does not replace it


def _escaped(control: re.Match[str]) -> str:
    return ascii(control.group())[1:-1]


def _fields(record: logging.LogRecord) -> dict[str, str]:
    fields = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": record.message.removesuffix(f"\n{getattr(record, 'traceback', '')}"),
    }
    process, known = getattr(record, "vllm_process_name", "MainProcess"), request_id.get()
    if process != "MainProcess":
        fields["process"] = process
    if known:
        fields["request_id"] = known
    return fields
