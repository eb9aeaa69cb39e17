"""What the script builds of vLLM's engine classes, and which flags the server's engine gets by it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from handrail.adoption.text import Built
from handrail.core.errors import HandlerFault, ProgramFault
from handrail.core.redaction import is_secret

from handrail_container.program import engine_config, truss_flags
from handrail_container.program.adoption import arguments, old_names
from handrail_container.program.adoption.arrival import EngineArrival, Running
from handrail_container.program.config_field import Field, Outcome
from handrail_container.settings.fields import Settings

logger = logging.getLogger("handrail")

_MODEL = "SM_VLLM_MODEL"


class AdoptionRefused(RuntimeError):
    """Raised in the script, where it asks for what this engine is not or does not do."""


class EngineNotHere(RuntimeError):
    """The script asks an engine that this process does not start."""


class KnownArguments(NamedTuple):
    """What vLLM says of this machine and version: the names of its engine arguments, and whether there is a GPU."""

    arguments: Collection[str]
    has_gpu: bool


@dataclass(frozen=True)
class Construction:
    """An engine that the script builds, by the call `name` at `where` (`file:line`); a row for each argument."""

    name: str
    where: str
    rows: tuple[Field, ...]

    @property
    def flags(self) -> dict[str, str]:
        return {name: value for row in self.rows for name, value in row.flags.items()}

    @property
    def refused(self) -> list[str]:
        return [str(row) for row in self.rows if row.outcome is Outcome.REFUSED]


class Adoption:
    """The engines that a script builds: all of them are the server's one. May be used from any thread.

    `when_wanted` is called in the thread of the first construction, once.
    """

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop | None) -> None:
        """`loop` is the server's event loop; None in a process that starts no engine."""
        self._settings = settings
        self._lock = RLock()
        self._process = os.getpid()
        self.arrival = EngineArrival()
        self.loop = loop
        self.constructions: list[Construction] = []
        #: Sentences for which the server must not start, although the script may have caught what it was told.
        self.refusals: list[str] = []
        #: Sentences on arguments that differ between two constructions, and concern speed only.
        self.remarks: list[str] = []
        self.when_wanted: Callable[[], None] = lambda: None
        self._running: Mapping[str, str] | None = None
        self._expected: Construction | None = None

    @property
    def faults(self) -> list[HandlerFault]:
        return [ProgramFault(sentence) for sentence in self.refusals]

    @property
    def is_wanted(self) -> bool:
        return bool(self.constructions)

    @property
    def built(self) -> list[Construction]:
        """The constructions; before any has run, the one that the text of the script says."""
        return self.constructions or [one for one in (self._expected,) if one is not None]

    @property
    def flags(self) -> dict[str, str]:
        """The first construction's flags, without those that the environment sets; before it has run, those that the
        text of the script says."""
        return self.built[0].flags if self.built else {}

    def expect(self, built: Built) -> Construction:
        """Take the arguments of a construction from the script's text. Those that are refused are so from now on."""
        known = [name for name in built.arguments if name not in old_names.ARGUMENTS]
        rows = self._ruled(built.arguments, built.where, KnownArguments(known, truss_flags.has_gpu()))
        self._expected = Construction(built.name, built.where, tuple(rows))
        with self._lock:
            self._refuse([*self._expected.refused, *self._late(self._expected)])
        return self._expected

    def record(self, name: str, where: str, given: Mapping[str, Any], known: KnownArguments) -> Construction:
        """Raises AdoptionRefused if this engine cannot be that which is asked for."""
        self.require_own_process(where)
        with self._lock:
            built = Construction(name, where, tuple(self._ruled(given, where, known)))
            if built in self.constructions:
                return built
            refused = [*built.refused, *self._late(built)]
            if refused:
                self._refuse(refused)
                raise AdoptionRefused(". ".join(refused))
            is_first = not self.constructions
            self.constructions.append(built)
            if self._running is None:
                self._running = engine_config.merged(built.flags, self._settings.vllm)
        if is_first:
            self.when_wanted()
        return built

    def _late(self, built: Construction) -> list[str]:
        """Why an engine that runs cannot be this one. What concerns speed only is a line in the log."""
        if self._running is None:
            return []
        remarks, refused = arguments.late(built.flags, self._running, built.where)
        for remark in remarks:
            if remark not in self.remarks:
                self.remarks.append(remark)
                logger.warning("%s", remark)
        first = next(iter(self.constructions), None)
        there = f" (the engine is that of {first.where})" if first is not None else ""
        return [f"{sentence.rstrip('.')}{there}" for sentence in refused]

    def _refuse(self, sentences: list[str]) -> None:
        self.refusals += [sentence for sentence in sentences if sentence not in self.refusals]

    def engine_runs_with(self, flags: Mapping[str, str]) -> None:
        """Compare what the script builds from now on with the flags that the engine has."""
        with self._lock:
            self._running = dict(flags)

    def begin_anew(self) -> None:
        """Forget what an earlier program built: it is read again. The engine runs on with its flags."""
        with self._lock:
            self.constructions, self.refusals, self.remarks, self._expected = [], [], [], None

    @property
    def is_own_process(self) -> bool:
        return os.getpid() == self._process

    def require_own_process(self, where: str) -> None:
        """Raises AdoptionRefused in a child process: the engine's sockets and threads are not there."""
        if not self.is_own_process:
            raise AdoptionRefused(
                f"{where} is in process {os.getpid()}: the engine belongs to process {self._process}. Start no "
                f"processes, or let them ask http://127.0.0.1:{self._settings.port}"
            )

    def use(self, where: str) -> Running:
        """The engine; this thread waits for it. Raises RuntimeError."""
        self.require_own_process(where)
        if self.loop is None:
            raise EngineNotHere(f"{where} asks the engine, and none is started here")
        return self.arrival.wait()

    @property
    def warnings(self) -> list[str]:
        """A sentence for each engine that was built with what needs a GPU, where there is none."""
        lacking = [(built.where, [row.name for row in built.rows if row.is_warned]) for built in self.built]
        return [f"{where} {', '.join(names)}: there is no GPU for it" for where, names in lacking if names]

    def sentences(self) -> list[str]:
        """A line for each engine that was built, with what became of its arguments."""
        return [
            f"{built.where} {built.name} is the server's engine"
            + "".join(f"; {row.name}: {row.outcome}: {row.note}" for row in built.rows if row.name != "model")
            for built in self.constructions
        ]

    def _ruled(self, given: Mapping[str, Any], where: str, known: KnownArguments) -> list[Field]:
        dropped = self._settings.dropped_arguments
        for name, value in given.items():
            self._settings.redactor.hide(value if is_secret(name) else None)
        rows = arguments.fields(given, where, known.arguments, has_gpu=known.has_gpu, dropped=dropped)
        return [self._behind_environment(row) for row in rows]

    def _behind_environment(self, row: Field) -> Field:
        """The row of an argument for which the environment sets a value, else as it is."""
        if _MODEL in row.flags:
            return self._ruled_model(row)
        first = next((name for name in row.flags if engine_config.sets(name, self._settings.vllm)), None)
        if first is None:
            return row
        return replace(row, outcome=Outcome.IGNORED, note=f"{first} comes first", flags={})

    def _ruled_model(self, row: Field) -> Field:
        asked = row.flags[_MODEL]
        given = (
            (_MODEL, self._settings.vllm.get(_MODEL)),
            ("HF_MODEL_ID", self._settings.hf_model_id),
        )
        variable, model = next((pair for pair in given if pair[1]), ("", None))
        if model is None or _is_same(model, asked):
            return row
        if self._settings.adopt_model == "environment":
            note = f"{variable} comes first (HANDRAIL_ADOPT_MODEL=environment)"
            return replace(row, outcome=Outcome.IGNORED, note=note, flags={})
        return replace(
            row,
            outcome=Outcome.REFUSED,
            note=f'{variable} is "{model}", and the script builds "{asked}": its prompts are made for {asked}. '
            "Set one of them, or HANDRAIL_ADOPT_MODEL=environment if the weights are meant to be those",
            flags={},
        )


def _is_same(one: str, other: str) -> bool:
    if one == other:
        return True
    return Path(one).is_dir() and Path(one).resolve() == Path(other).resolve()
