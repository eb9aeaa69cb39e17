"""The rungs: what each offers for a role, best first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any

from handrail.core import reference
from handrail.core.calling import Handler
from handrail.core.errors import Ambiguous, DefinitionRefused, HandlerFault
from handrail.core.marks import Mark
from handrail.core.script import Loader
from handrail.core.slots import Slot, WrapperSlot
from handrail.core.tracebacks import definition
from handrail.styles.definition.style import Found
from handrail.styles.truss.config import TrussConfig
from handrail.styles.truss.surroundings import Surroundings


class Rung(IntEnum):
    ENVIRONMENT = 1
    DECORATOR = 2
    NAME = 3
    STYLE = 4
    DEFAULT = 5


@dataclass(frozen=True)
class Sources:
    """Where handlers may come from. `references` holds only what is set; `default_aliases` are references, by slot,
    that mean the default: module paths that documents name and engines have since moved. `config` is the Truss's
    config.yaml where there is one, or why it cannot be read; `definition` a `model.yaml`; `program` the script that
    SageMaker's own toolkits would run. Where `refuses_foreign`, no script of another server's is passed over."""

    model_path: Path
    script_filename: str | None = None
    references: Mapping[Slot | WrapperSlot, str] = field(default_factory=dict)
    default_aliases: Mapping[Slot, frozenset[str]] = field(default_factory=dict)
    config: TrussConfig | DefinitionRefused | None = None
    surroundings: Surroundings = field(default_factory=Surroundings)
    definition: Found | None = None
    program: str | None = None
    refuses_foreign: bool = True


@dataclass(frozen=True)
class Script:
    """The script as loaded: all empty where there is none, `module` None where its import failed."""

    path: Path | None = None
    module: ModuleType | None = None
    marks: tuple[Mark, ...] = ()


#: The function of a candidate that leaves the slot to the server's own handler.
DEFAULT: Any = object()


@dataclass(frozen=True)
class Candidate:
    """What a rung offers. `found` says by which name it was asked for; `fault` why it cannot be had.

    `handler` is there where a whole-model style has adapted the function itself.
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


def defined(slot: Slot, definition: Found | None) -> list[Candidate]:
    """What a `model.yaml` offers."""
    if slot is not Slot.INVOCATION or definition is None or definition.is_foreign:
        return []
    fault = definition.faults[0] if definition.faults else None
    handler = definition.model.handler if definition.model else None
    return [Candidate(Rung.STYLE, definition.label, definition.function, fault, handler)]


def default(slot: Slot, script: Script) -> list[Candidate]:
    """What the script registers as a framework would, in place of the server's own."""
    found = f"registered with @register_{slot}_handler"
    registered = [Candidate(Rung.DEFAULT, found, f) for f in _marked(slot, script, is_registered=True)]
    return registered or [Candidate(Rung.DEFAULT, "nothing else asks for it")]


def _marked(role: Slot | WrapperSlot, script: Script, *, is_registered: bool) -> list[Any]:
    """Each function once; by identity, as not every callable has a hash."""
    marks = [mark for mark in script.marks if mark.role is role and mark.is_registered is is_registered]
    return list({id(mark.function): mark.function for mark in marks}.values())


def first(candidates: tuple[Candidate, ...], what: str, role: Slot | WrapperSlot) -> Candidate:
    """The winner. Raises its fault where it has one, and Ambiguous where another is on its rung."""
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
    """Where it is as well, beside a whole model in a file of its own."""
    if hidden.rung is not Rung.STYLE or winner.function is DEFAULT:
        return winner.found
    return f"{winner.label} ({definition(winner.function)}), {winner.found},"
