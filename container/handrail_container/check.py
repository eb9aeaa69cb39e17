"""`handrail check`: every rung, what was found there, who answers, and what is wrong, with nothing started."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from handrail.errors import HandlerFault
from handrail.ladder import Rung
from handrail.resolve import Program, Resolution

from handrail_container.app import load_program, open_backend
from handrail_container.errors import ExitCode, SettingsError
from handrail_container.report import exit_code, refusal
from handrail_container.settings import Settings, read

_RUNG_NAMES = {
    Rung.ENVIRONMENT: "environment",
    Rung.DECORATOR: "decorator",
    Rung.NAME: "function name",
    Rung.STYLE: "whole model",
    Rung.DEFAULT: "default",
}


@dataclass(frozen=True)
class Report:
    settings: Settings
    program: Program
    problems: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        if self.problems or self.program.faults:
            return exit_code(self.problems, self.program.faults)
        return ExitCode.CLEAN

    def to_text(self) -> str:
        lines = [f"model directory  {self.settings.model_path}", f"script           {self.program.script or 'none'}"]
        lines.append(f"engine           {self.settings.engine}")
        for resolution in self.program.resolutions.values():
            lines += ["", resolution.slot.path, *_table(resolution)]
        lines += ["", *(f"warning: {warning}" for warning in self.program.warnings)] if self.program.warnings else []
        if self.problems or self.program.faults:
            lines += ["", refusal(self.problems, self.program.faults)]
        return "\n".join(lines)

    def to_json(self) -> str:
        data = {
            "model_path": str(self.settings.model_path),
            "script": str(self.program.script) if self.program.script else None,
            "engine": self.settings.engine,
            "slots": {slot.value: _slot(resolution) for slot, resolution in self.program.resolutions.items()},
            "warnings": list(self.program.warnings),
            "problems": [*self.problems, *map(str, self.program.faults)],
            "exit_code": int(self.exit_code),
        }
        return json.dumps(data, indent=2, ensure_ascii=False)


def check_program(**given: Any) -> Report:
    """What serving would find; `given` as in `settings.read`."""
    problems: tuple[str, ...] = ()
    try:
        settings = read(**given)
        _check_engine(settings)
    except SettingsError as error:
        problems = error.problems
        settings = error.usable or read(**given)
    return Report(settings, load_program(settings), problems)


def _check_engine(settings: Settings) -> None:
    """The model, and vLLM's flags where any is set: only then is vLLM's parser worth its import."""
    backend = open_backend(settings, None)
    if set(settings.vllm) - {"SM_VLLM_MODEL"}:
        backend.prepare()


def _table(resolution: Resolution) -> list[str]:
    lines = []
    for rung in Rung:
        offers = [candidate for candidate in resolution.candidates if candidate.rung is rung]
        mark = "▶" if rung is resolution.winner.rung else " "
        found = "; ".join(candidate.found for candidate in offers) if offers else "-"
        lines.append(f"  {mark} {int(rung)} {_RUNG_NAMES[rung]:14} {found}")
    lines.append(f"    answers: {_answer(resolution)}")
    return lines


def _answer(resolution: Resolution) -> str:
    if resolution.fault is not None:
        return "nobody, see below"
    if resolution.handler is None:
        return "the default handler"
    return f"{resolution.handler.signature.text}  {resolution.handler.signature.where}"


def _slot(resolution: Resolution) -> dict[str, Any]:
    handler = resolution.handler
    return {
        "path": resolution.slot.path,
        "rungs": [_rung(resolution, rung) for rung in Rung],
        "winner": _RUNG_NAMES[resolution.winner.rung],
        "handler": handler
        and {
            "name": handler.signature.name,
            "where": handler.signature.where,
            "signature": handler.signature.text,
            "arguments": {a.parameter.name: a.source.name.lower() for a in handler.signature.arguments},
        },
        "fault": _fault(resolution.fault),
    }


def _rung(resolution: Resolution, rung: Rung) -> dict[str, Any]:
    found = [candidate.found for candidate in resolution.candidates if candidate.rung is rung]
    return {"rung": int(rung), "name": _RUNG_NAMES[rung], "found": found}


def _fault(fault: HandlerFault | None) -> dict[str, str] | None:
    if fault is None:
        return None
    return {"kind": type(fault).__name__, "message": str(fault), "traceback": fault.user_traceback}
