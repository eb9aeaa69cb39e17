"""The report for the operator when a start is refused: a sentence for each problem, and the user's own traceback."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterable

from handrail.core.errors import HandlerFault, SettingFault

from handrail_container.process import logs
from handrail_container.process.exits import ExitCode

logger = logging.getLogger("handrail")


def refusal(problems: Iterable[str], faults: Iterable[HandlerFault]) -> str:
    """The whole report. A traceback comes before its sentence, so that the sentence is the last line."""
    lines = [f"handrail: {problem}" for problem in problems]
    for fault in faults:
        lines += [fault.user_traceback] if fault.user_traceback else []
        lines.append(f"handrail: {fault}")
    return "\n".join(lines)


def exit_code(problems: Iterable[str], faults: Iterable[HandlerFault]) -> ExitCode:
    """2 if any setting is wrong, 3 if only the user's program is."""
    if any(True for _ in problems) or any(isinstance(fault, SettingFault) for fault in faults):
        return ExitCode.SETTINGS
    return ExitCode.SCRIPT


def say(text: str, level: int = logging.CRITICAL) -> None:
    """Write to standard error, as a log record if the log is JSON. The log's level never hides it."""
    if logs.is_json():
        logger.handle(logger.makeRecord(logger.name, level, __file__, 0, "%s", (text,), None))
        return
    with contextlib.suppress(OSError):  # the reader has gone
        print(text, file=sys.stderr, flush=True)
