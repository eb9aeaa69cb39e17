"""One slot in `handrail check`: its rungs, and the handler that answers."""

from __future__ import annotations

import textwrap
from typing import Any

from handrail.core.errors import HandlerFault
from handrail.core.ladder import Rung
from handrail.resolve import Resolution

_RUNG_NAMES = {
    Rung.ENVIRONMENT: "environment",
    Rung.DECORATOR: "decorator",
    Rung.NAME: "function name",
    Rung.STYLE: "whole model",
    Rung.DEFAULT: "default",
}

WIDTH = 80
FOLD: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
_ANSWER: dict[str, Any] = {**FOLD, "subsequent_indent": " " * 13}


def table(resolution: Resolution, *, is_open: bool) -> list[str]:
    lines: list[str] = []
    for rung in Rung:
        mark = "▶" if rung is resolution.winner.rung and resolution.is_settled else " "
        found = "; ".join(_found(resolution, rung)) or ("-" if resolution.is_settled else "not known")
        head = f"  {mark} {int(rung)} {_RUNG_NAMES[rung]:14} "
        lines.append(textwrap.fill(found, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), **FOLD))
    answer = _answer(resolution, is_open=is_open)
    return [*lines, textwrap.fill(answer, WIDTH, initial_indent="    answers: ", **_ANSWER)]


def _answer(resolution: Resolution, *, is_open: bool) -> str:
    if is_open:
        return "not known before pip has run, see below"
    if resolution.fault is not None:
        return "nobody, see below"
    if resolution.handler is None:
        return "the default handler"
    return f"{resolution.handler.signature.text}  {resolution.handler.signature.where}"


def slot_data(resolution: Resolution) -> dict[str, Any]:
    handler = resolution.handler
    return {
        "path": resolution.slot.path,
        "rungs": [_rung(resolution, rung) for rung in Rung],
        "winner": _RUNG_NAMES[resolution.winner.rung] if resolution.is_settled else None,
        "handler": handler and handler.signature.data(),
        "fault": _fault(resolution.fault),
    }


def _rung(resolution: Resolution, rung: Rung) -> dict[str, Any]:
    return {"rung": int(rung), "name": _RUNG_NAMES[rung], "found": _found(resolution, rung)}


def _found(resolution: Resolution, rung: Rung) -> list[str]:
    """The candidates on a rung. The default is left out while the slot is not settled: another may still win."""
    return [
        c.found for c in resolution.candidates if c.rung is rung and (resolution.is_settled or rung is not Rung.DEFAULT)
    ]


def _fault(fault: HandlerFault | None) -> dict[str, str] | None:
    if fault is None:
        return None
    return {"kind": type(fault).__name__, "message": str(fault), "traceback": fault.user_traceback}
