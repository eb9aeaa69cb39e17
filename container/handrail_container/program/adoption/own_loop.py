"""Whether a program's coroutines run on an event loop of their own: where its text calls what blocks."""

from __future__ import annotations

from handrail.adoption.script_loop import ScriptLoop
from handrail.adoption.sharing import sharing_of
from handrail.adoption.text import read_directory
from handrail.resolve import Program

from handrail_container.program.adoption.placing import on_own_loop
from handrail_container.settings.fields import Settings


def apart(program: Program, settings: Settings) -> Program:
    """The program itself, if it adopts no engine or blocks nowhere."""
    if not settings.adopt or program.script is None or program.faults:
        return program
    blocking = read_directory(settings.model_path).blocking
    if not blocking:
        return program
    return on_own_loop(program, ScriptLoop(blocking[0], sharing_of(settings.model_path)), blocking)
