"""Finds why the engine failed, in one line. Its own processes know the cause; the parent only sees that they ended."""

from __future__ import annotations

import json
import logging
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from handrail_container.engine.vllm.names import vllm

log = logging.getLogger(__name__)

_VLLM_HINT = re.compile(r"\s*See (root cause|stack trace)\b[^.]*\.?")


def root_cause(error: BaseException) -> str:
    """The first exception of the chain; as `second (first)` if the second does not quote it. Often it names a file."""
    chain = [error]
    while (earlier := _earlier(chain[-1])) and earlier not in chain:
        chain.append(earlier)
    first, *explained = (in_one_line(link) for link in reversed(chain[-2:]))
    return f"{explained[0]} ({first})" if explained and first not in explained[0] else first


def _earlier(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def in_one_line(error: BaseException) -> str:
    """An exception in one line."""
    if isinstance(error, ValidationError):
        return "; ".join(map(_complaint, error.errors()))
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _complaint(found: Mapping[str, Any]) -> str:
    """The message of one pydantic error, without pydantic's count and URL."""
    raised = found.get("ctx", {}).get("error")
    if isinstance(raised, Exception) and type(raised) not in (ValueError, AssertionError):
        return root_cause(raised)  # the check itself failed, for example to read a file
    message = found["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return ": ".join([*map(str, found["loc"]), message])


def recorded(path: Path) -> str | None:
    """The first cause that a process of the engine wrote; later ones follow from it."""
    if not path.exists() or not (lines := path.read_text().splitlines()):
        return None
    first = json.loads(lines[0])
    log.debug("%s of the engine failed:\n%s", first["process"], first["trace"])
    return str(first["cause"])


def start_failure(error: BaseException, path: Path, client: Any = None) -> str:
    """Why the engine did not start. `client` is given if it died after it was built."""
    if cause := recorded(path):
        return cause
    if client is not None and isinstance(error, vllm("EngineDeadError")) and (how := _ended(client)):
        return how
    whole = root_cause(error)
    if ended := re.search(r"'(\w+)': (-?\d+)", whole):  # vLLM lists the processes that ended, with their codes
        return _ending(ended[1], int(ended[2]))
    return _VLLM_HINT.sub("", whole)


def cause_of_death(client: Any, path: Path) -> str:
    """Why the engine died while serving."""
    if cause := recorded(path):
        return cause
    return _ended(client) or "its processes do not answer"


def _ended(client: Any) -> str:
    """Which of the engine's processes ended, and how; empty if none did. An engine on other machines has none here."""
    running = getattr(client.engine_core.resources.engine_manager, "processes", ())
    codes = {process.name: process.exitcode for process in running if process.exitcode}
    return "; ".join(_ending(name, code) for name, code in codes.items())


def _ending(process: str, code: int) -> str:
    if code >= 0:
        return f"its process {process} ended with exit code {code}"
    return f"its process {process} was ended by {_signal(-code)}{_LIKELY.get(-code, '')}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have no name
        return f"signal {number}"


_LIKELY: Mapping[int, str] = {
    signal.SIGKILL: ", most likely because the machine ran out of memory",
    signal.SIGILL: ", because this CPU cannot run an instruction it needs; SM_VLLM_DTYPE=float32 avoids most of these",
}
