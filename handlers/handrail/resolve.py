"""The ladder: who answers each slot, and why.

For each slot the first of these wins: the environment's reference, the script's decorated function, the script's
function of the agreed name, the default.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any

from handrail import reference
from handrail.calling import Handler, adapt
from handrail.errors import Ambiguous, HandlerFault, SignatureRefused
from handrail.marks import Mark
from handrail.script import Loader, find_script, make_importable
from handrail.slots import Slot
from handrail.tracebacks import definition


class Rung(IntEnum):
    ENVIRONMENT = 1
    DECORATOR = 2
    NAME = 3
    STYLE = 4
    DEFAULT = 5


@dataclass(frozen=True)
class Sources:
    """Where handlers may come from. `references` holds only what is set; `default_aliases` are references, by slot,
    that mean the default: module paths that documents name and engines have since moved."""

    model_path: Path
    script_filename: str | None = None
    references: Mapping[Slot, str] = field(default_factory=dict)
    default_aliases: Mapping[Slot, frozenset[str]] = field(default_factory=dict)


#: The function of a candidate that leaves the slot to the server's own handler.
DEFAULT: Any = object()


@dataclass(frozen=True)
class Candidate:
    """What a rung offers. `found` says by which name it was asked for; `fault` why it cannot be had."""

    rung: Rung
    found: str
    function: Any = DEFAULT
    fault: HandlerFault | None = None


@dataclass(frozen=True)
class Resolution:
    """One slot's answer: the first candidate. `handler` is None where that is the default or where `fault` is set."""

    slot: Slot
    candidates: tuple[Candidate, ...]
    handler: Handler | None = None
    fault: HandlerFault | None = None

    @property
    def winner(self) -> Candidate:
        return self.candidates[0]

    def sentence(self) -> str:
        """Who answers and why."""
        if self.handler is None:
            return f"{self.slot.path} is answered by the default handler: {self.winner.found}"
        signature = self.handler.signature
        return f"{self.slot.path} is answered by {signature.name} ({signature.where}): {self.winner.found}"


@dataclass(frozen=True)
class Program:
    """What a model directory and an environment resolve to. Nothing may be served while there are `faults`."""

    script: Path | None
    resolutions: Mapping[Slot, Resolution]
    faults: tuple[HandlerFault, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Script:
    """The script as loaded: all empty where there is none, `module` None where its import failed."""

    path: Path | None = None
    module: ModuleType | None = None
    marks: tuple[Mark, ...] = ()


def resolve(sources: Sources) -> Program:
    """Load the script and whatever the references name, and settle each slot. Faults are collected, not raised."""
    make_importable(sources.model_path)
    loader = Loader()
    script, script_fault = _load_script(sources, loader)
    resolutions = {slot: _settle(slot, _ladder(slot, sources, loader, script)) for slot in Slot}
    faults = [script_fault, *(resolution.fault for resolution in resolutions.values())]
    warnings = [warning for slot in Slot for warning in _warnings(resolutions[slot], script)]
    return Program(script.path, resolutions, tuple(dict.fromkeys(f for f in faults if f is not None)), tuple(warnings))


def _load_script(sources: Sources, loader: Loader) -> tuple[Script, HandlerFault | None]:
    path = None
    try:
        path = find_script(sources.model_path, sources.script_filename)
        if path is None:
            return Script(), None
        module = loader.load(path)
    except HandlerFault as fault:
        return Script(path), fault
    return Script(path, module, tuple(loader.marks)), None


def _ladder(slot: Slot, sources: Sources, loader: Loader, script: Script) -> tuple[Candidate, ...]:
    """Everything every rung offers, best first: what a higher rung hides can be told."""
    return (
        *_from_environment(slot, sources, loader, script),
        *_decorated(slot, script),
        *_named(slot, script),
        Candidate(Rung.DEFAULT, "nothing else asks for it"),
    )


def _from_environment(slot: Slot, sources: Sources, loader: Loader, script: Script) -> list[Candidate]:
    value = sources.references.get(slot)
    if not value:
        return []
    found = f"{slot.variable}={value}"
    if value.strip() in sources.default_aliases.get(slot, ()):
        return [Candidate(Rung.ENVIRONMENT, found)]
    try:
        parsed = reference.parse(slot.variable, value)
        return [Candidate(Rung.ENVIRONMENT, found, reference.load(parsed, loader, sources.model_path, script.path))]
    except HandlerFault as fault:
        return [Candidate(Rung.ENVIRONMENT, found, fault=fault)]


def _decorated(slot: Slot, script: Script) -> list[Candidate]:
    functions = {id(mark.function): mark.function for mark in script.marks if mark.slot is slot}  # not all have a hash
    return [Candidate(Rung.DECORATOR, f"decorated with @{slot.decorator}", function) for function in functions.values()]


def _named(slot: Slot, script: Script) -> list[Candidate]:
    names = vars(script.module) if script.module else {}
    return [Candidate(Rung.NAME, f"named {slot.function}", names[slot.function])] if slot.function in names else []


def _settle(slot: Slot, candidates: tuple[Candidate, ...]) -> Resolution:
    winner = candidates[0]
    rivals = [candidate for candidate in candidates if candidate.rung is winner.rung]
    try:
        if winner.fault is not None:
            raise winner.fault
        if len(rivals) > 1:
            raise Ambiguous(_ambiguity(slot, rivals))
        handler = None if winner.function is DEFAULT else adapt(winner.function, slot)
    except SignatureRefused as fault:
        return Resolution(slot, candidates, fault=SignatureRefused(f"{slot.path}, {winner.found}: {fault}."))
    except HandlerFault as fault:
        return Resolution(slot, candidates, fault=fault)
    return Resolution(slot, candidates, handler)


def _ambiguity(slot: Slot, rivals: list[Candidate]) -> str:
    places = " and ".join(f"{_label(rival.function)} ({definition(rival.function)})" for rival in rivals)
    return (
        f"{slot.path} has {len(rivals)} handlers that are {rivals[0].found}: {places}. "
        f"Keep one, or choose with {slot.variable}=model:{_label(rivals[0].function)}."
    )


def _label(function: Any) -> str:
    return getattr(function, "__name__", repr(function))


def _warnings(resolution: Resolution, script: Script) -> list[str]:
    hidden = [
        f"{resolution.slot.path}: {resolution.winner.found} hides {_label(candidate.function)}, {candidate.found}"
        for candidate in resolution.candidates[1:]
        if candidate.function is not DEFAULT
        and candidate.function is not resolution.winner.function
        and candidate.rung is not resolution.winner.rung
    ]
    return hidden + _near_misses(resolution, script)


def _near_misses(resolution: Resolution, script: Script) -> list[str]:
    """Functions whose name is almost the one that rung 3 looks for, and which no other rung found."""
    agreed = resolution.slot.function
    names = vars(script.module) if script.module else {}
    if agreed in names:
        return []
    handlers = {id(candidate.function) for candidate in resolution.candidates}
    others = {other.function for other in Slot}
    free = [n for n, value in names.items() if callable(value) and id(value) not in handlers and n not in others]
    close = difflib.get_close_matches(agreed, free, n=1, cutoff=0.88)
    return [f"{name} ({definition(names[name])}) is not a handler: did you mean {agreed}?" for name in close]
