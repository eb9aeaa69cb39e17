"""The rungs of the ladder, and the candidates that each offers for a role."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from handrail.core import reference
from handrail.core.calling import Handler
from handrail.core.errors import Ambiguous, HandlerFault
from handrail.core.script import Loader, Script
from handrail.core.slots import Slot, WrapperSlot
from handrail.core.tracebacks import definition
from handrail.core.whole_model import Offer, Style


class Rung(IntEnum):
    ENVIRONMENT = 1
    DECORATOR = 2
    NAME = 3
    STYLE = 4
    DEFAULT = 5


@dataclass(frozen=True)
class Sources:
    """The places handlers may come from. `references` holds the variables that are set. `default_aliases` are
    references, by slot, that mean the default: documented module paths that engines have since moved. `styles` find
    whole models, with the server's `settings`; `faults` are of styles that failed to load. `program` is the script
    that SageMaker's toolkits would run. `refuses_foreign` makes another server's script an error. `runs_guard` has the
    script's main guard run where it is nothing without it, and `script_args` are its command line."""

    model_path: Path
    script_filename: str | None = None
    references: Mapping[Slot | WrapperSlot, str] = field(default_factory=dict)
    default_aliases: Mapping[Slot, frozenset[str]] = field(default_factory=dict)
    styles: tuple[Style, ...] = ()
    program: str | None = None
    refuses_foreign: bool = True
    settings: Any = None
    faults: tuple[HandlerFault, ...] = ()
    runs_guard: bool = False
    script_args: tuple[str, ...] = ()


#: The function of a candidate that leaves the slot to the server's own handler.
DEFAULT: Any = object()


@dataclass(frozen=True)
class Candidate:
    """One offer of a rung. `found` says how it was named or marked; `fault` why it cannot be loaded.

    `handler` is set if a whole-model style has adapted the function itself.
    """

    rung: Rung
    found: str
    function: Any = DEFAULT
    fault: HandlerFault | None = None
    handler: Handler | None = None

    @property
    def label(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


def from_environment(role: Slot | WrapperSlot, sources: Sources, loader: Loader, script: Script) -> list[Candidate]:
    value = sources.references.get(role)
    if not value:
        return []
    found = f"{role.variable}={value}"
    if isinstance(role, Slot) and value.strip() in sources.default_aliases.get(role, ()):
        return [Candidate(Rung.ENVIRONMENT, found)]
    try:
        parsed = reference.parse(role.variable, value)
        return [Candidate(Rung.ENVIRONMENT, found, reference.load(parsed, loader, sources.model_path, script.path))]
    except HandlerFault as fault:
        return [Candidate(Rung.ENVIRONMENT, found, fault=fault)]


def decorated(role: Slot | WrapperSlot, script: Script) -> list[Candidate]:
    found = f"decorated with @{role.decorator}"
    return [Candidate(Rung.DECORATOR, found, function) for function in _marked(role, script, is_registered=False)]


def named(slot: Slot, script: Script) -> list[Candidate]:
    names = vars(script.module) if script.module else {}
    return [Candidate(Rung.NAME, f"named {slot.function}", names[slot.function])] if slot.function in names else []


def from_styles(slot: Slot, offers: Sequence[Offer]) -> list[Candidate]:
    """The candidates of whole models."""
    candidates = []
    for offer in offers:
        function = offer.functions().get(slot)
        handler = function if isinstance(function, Handler) else None
        fault = offer.faults[0] if offer.faults else None
        if function is not None:
            asked = function if handler is None else handler.function
            candidates.append(Candidate(Rung.STYLE, offer.label, asked, fault, handler))
    return candidates


def default(slot: Slot, script: Script) -> list[Candidate]:
    """The handler that the script registers as a framework would, else the server's default."""
    found = f"registered with @register_{slot}_handler"
    registered = [Candidate(Rung.DEFAULT, found, f) for f in _marked(slot, script, is_registered=True)]
    return registered or [Candidate(Rung.DEFAULT, "nothing else asks for it")]


def _marked(role: Slot | WrapperSlot, script: Script, *, is_registered: bool) -> list[Any]:
    """The functions marked for a role, each once (by identity: not every callable is hashable)."""
    marks = [mark for mark in script.marks if mark.role is role and mark.is_registered is is_registered]
    return list({id(mark.function): mark.function for mark in marks}.values())


def first(candidates: tuple[Candidate, ...], what: str, role: Slot | WrapperSlot) -> Candidate:
    """The winner. Raises its fault if it has one, or Ambiguous if another candidate is on its rung."""
    winner = candidates[0]
    if winner.fault is not None:
        raise winner.fault
    rivals = [candidate for candidate in candidates if candidate.rung is winner.rung]
    if len(rivals) > 1:
        places = " and ".join(f"{rival.label} ({definition(rival.function)})" for rival in rivals)
        nouns = "handlers" if isinstance(role, Slot) else "functions"
        raise Ambiguous(
            f"{what} has {len(rivals)} {nouns} that are {winner.found}: {places}. "
            f"Keep one, or choose with {role.variable}=model:{winner.label}."
        )
    return winner


def hidden(candidates: tuple[Candidate, ...], what: str) -> list[str]:
    """A sentence for each candidate of a lower rung that the winner hides."""
    winner = candidates[0]
    return [
        f"{what}: {_described(winner, candidate)} hides {candidate.label}, {candidate.found}"
        for candidate in candidates[1:]
        if candidate.function is not DEFAULT
        and candidate.function is not winner.function
        and candidate.rung is not winner.rung
    ]


def _described(winner: Candidate, hidden: Candidate) -> str:
    """How the winner was found, with its place if the hidden candidate is a whole model, which has its own file."""
    if hidden.rung is not Rung.STYLE or winner.function is DEFAULT:
        return winner.found
    return f"{winner.label} ({definition(winner.function)}), {winner.found},"


def near_misses(slot: Slot, candidates: tuple[Candidate, ...], script: Script) -> list[str]:
    """A warning for a function whose name is almost that of rung 3, and that no other rung has found."""
    names = vars(script.module) if script.module else {}
    if slot.function in names:
        return []
    handlers = {id(candidate.function) for candidate in candidates}
    others = {other.function for other in Slot}
    free = [n for n, value in names.items() if callable(value) and id(value) not in handlers and n not in others]
    close = difflib.get_close_matches(slot.function, free, n=1, cutoff=0.88)
    return [f"{name} ({definition(names[name])}) is not a handler: did you mean {slot.function}?" for name in close]
