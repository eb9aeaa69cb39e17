"""Why the engine failed, in one line: its own processes know, and the parent only hears that they ended."""

from __future__ import annotations

import json
import logging
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

log = logging.getLogger(__name__)

_VLLM_HINT = re.compile(r"\s*See root cause above\.?|\s*See stack trace (above|for the root cause)\.?")


def root_cause(error: BaseException) -> str:
    """The type and message of the exception that began it."""
    while error.__cause__ or (error.__context__ and not error.__suppress_context__):
        error = error.__cause__ or error.__context__ or error
    if isinstance(error, ValidationError):
        return "; ".join(map(_complaint, error.errors()))
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _complaint(found: Mapping[str, Any]) -> str:
    """What a check of pydantic's says; its own text begins with a count and ends with an address."""
    message = found["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return ": ".join([*map(str, found["loc"]), message])


def recorded(path: Path) -> str | None:
    """The cause that a process of the engine wrote first; what others wrote follows from it."""
    if not path.exists() or not (lines := path.read_text().splitlines()):
        return None
    first = json.loads(lines[0])
    log.debug("%s of the engine failed:\n%s", first["process"], first["trace"])
    return str(first["cause"])


def start_failure(error: BaseException, path: Path) -> str:
    """Why the engine did not start."""
    if cause := recorded(path):
        return cause
    said = root_cause(error)
    if code := re.search(r"'(\w+)': (-\d+)", said):
        return f"the process {code[1]} was ended by {signal.Signals(-int(code[2])).name}{_likely(-int(code[2]))}"
    return _VLLM_HINT.sub("", said)


def _likely(number: int) -> str:
    match number:
        case signal.SIGKILL:
            return ": most likely the machine ran out of memory"
        case signal.SIGILL:
            return ": this CPU cannot run an instruction the model needs; SM_VLLM_DTYPE=float32 avoids most"
        case _:
            return ""
