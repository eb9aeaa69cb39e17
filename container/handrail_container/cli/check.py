"""`handrail check`: reports each rung's candidates, the chosen handlers and all problems, without starting anything."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from handrail.core.calling import Handler
from handrail.core.errors import HandlerFault, ProgramFault
from handrail.core.slots import AdapterSlot
from handrail.core.tracebacks import definition
from handrail.resolve import Program
from handrail.wrap.around import Wrapper

from handrail_container.cli import check_adoption, check_requirements
from handrail_container.cli.check_adoption import needs_engine
from handrail_container.cli.check_requirements import pip_may_fix
from handrail_container.cli.check_slots import FOLD, WIDTH, slot_data, table
from handrail_container.engine.backend import Adopting, Backend
from handrail_container.engine.opening import fields_named, open_backend
from handrail_container.gate.keys import key_warnings
from handrail_container.process.exits import ExitCode, SettingsError
from handrail_container.process.report import exit_code, refusal
from handrail_container.program import engine_config, hub, startup_adapters
from handrail_container.program.adoption.record import Adoption, Construction
from handrail_container.program.config_field import Field
from handrail_container.program.engine_config import EngineConfig
from handrail_container.program.load import load_program
from handrail_container.program.plugins import Plugin, flags_of_styles, installed
from handrail_container.program.requirements import Requirements, find
from handrail_container.program.startup_adapters import StartupCode
from handrail_container.routes.session_store import find_sessions
from handrail_container.sagemaker.limits import over_limits
from handrail_container.server import adopted
from handrail_container.settings.environment import (
    Known,
    known,
    read,
    variables_for_endpoint,
    vllm_server_warnings,
    without_effect,
)
from handrail_container.settings.fields import Settings

_FOLD: dict[str, Any] = {"width": WIDTH, "subsequent_indent": "      ", **FOLD}


@dataclass(frozen=True)
class Report:
    """Result of a check. `faults` are those of the program and of its requirements; `undecided` lists questions that
    stay open until pip has installed the requirements."""

    settings: Settings
    known: tuple[Known, ...]
    program: Program
    requirements: Requirements | None
    problems: tuple[str, ...]
    config: EngineConfig = field(default_factory=EngineConfig)
    plugins: tuple[Plugin, ...] = ()
    adapters: StartupCode = field(default_factory=StartupCode)
    adoption: Adoption | None = None

    @property
    def faults(self) -> tuple[HandlerFault, ...]:
        refused = self.requirements.refused if self.requirements else ()
        all_faults = (*check_adoption.faults(self.adoption), *self.program.faults, *self.adapters.faults)
        faults = [fault for fault in all_faults if not (self._may_be_mended(fault) or needs_engine(fault))]
        return (*map(ProgramFault, refused), *faults)

    @property
    def undecided(self) -> tuple[str, ...]:
        faults = (*self.program.faults, *self.adapters.faults)
        awaiting = [check_adoption.undecided(fault) for fault in faults if needs_engine(fault)]
        return (*check_requirements.undecided(self._lacks, faults), *awaiting)

    @property
    def _lacks(self) -> str:
        return check_requirements.missing_requirements(self.settings, self.requirements)

    def _may_be_mended(self, fault: HandlerFault | None) -> bool:
        return bool(self._lacks) and pip_may_fix(fault)

    def _is_open(self, fault: HandlerFault | None) -> bool:
        return self._may_be_mended(fault) or needs_engine(fault)

    @property
    def built(self) -> tuple[Construction, ...]:
        """The engines that the script builds, or the first that its text says."""
        return tuple(self.adoption.built) if self.adoption is not None else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        idle = [
            f"{name} has no effect: the platform restarts the server, no supervisor does" for name in without_effect()
        ]
        return (
            *self.program.warnings,
            *self.adapters.warnings,
            *(self.adoption.warnings if self.adoption is not None else ()),
            *self.config.warnings,
            *(self.requirements.warnings if self.requirements else ()),
            *key_warnings(self.settings),
            *over_limits(variables_for_endpoint()),
            *idle,
            *vllm_server_warnings(self.settings),
            *hub.warnings(self.settings),
        )

    @property
    def exit_code(self) -> ExitCode:
        if self.problems or self.faults:
            return exit_code(self.problems, self.faults)
        return ExitCode.CLEAN

    def to_text(self, *, has_all: bool = False) -> str:
        """Text for a terminal, folded at 80 columns (paths and the script's own text may be longer). Settings at their
        defaults are shown with `has_all` only."""
        lines = [
            f"model directory  {self.settings.model_path}",
            f"script           {self.program.script or 'none'}",
            f"requirements     {check_requirements.row(self.requirements)}",
            f"engine           {self.settings.engine}",
        ]
        for resolution in self.program.resolutions.values():
            lines += ["", resolution.slot.path, *table(resolution, is_open=self._is_open(resolution.fault))]
        lines += _section("around the handlers", map(_wrapper, self.program.around.wrappers))
        for model in self.program.models:
            lines += _section(model.title, model.rows())
        lines += _section("adapters", map(_adapter, self.program.adapters.items()))
        lines += _section("code of adapters", self.adapters.sentences())
        for built in self.built:
            lines += _section(*check_adoption.section(built))
        lines += _section("config.yaml", map(_field, self.config.fields))
        lines += _section("LMI's configuration", map(_field, self.config.lmi.fields))
        lines += _section("sessions", _steps(self.program))
        lines += _section("hooks", _hooks(self.program))
        lines += _section("event loop", (self.program.own_loop.sentence,) if self.program.own_loop else ())
        lines += _section("plugins", map(_plugin, self.plugins))
        lines += _section("settings", _settings(self.known, has_all=has_all))
        lines += _section("not known yet", self.undecided)
        lines += _section("warnings", (f"warning: {warning}" for warning in self.warnings))
        if self.problems or self.faults:
            lines += ["", refusal(self.problems, self.faults)]
        return self.settings.redactor("\n".join(lines))

    def to_json(self) -> str:
        """The report as JSON; docs/reference/check-json.md has the schema."""
        data = {
            "model_path": str(self.settings.model_path),
            "script": str(self.program.script) if self.program.script else None,
            "engine": self.settings.engine,
            "slots": {slot.value: slot_data(resolution) for slot, resolution in self.program.resolutions.items()},
            "around": [_wrapper_data(wrapper) for wrapper in self.program.around.wrappers],
            **_models(self.program),
            "adapters": {slot.value: one.signature.data() for slot, one in self.program.adapters.items()},
            "adapter_code": {name: code.sentences() for name, code in self.adapters.codes.items()},
            "config": [_field_data(row) for row in (*self.config.fields, *self.config.lmi.fields)],
            "adoption": list(map(check_adoption.data, self.built)),
            "session_handlers": {s.value: h.signature.data() for s, h in self.program.session_handlers.items()},
            "plugins": [asdict(plugin) for plugin in self.plugins],
            "hooks": {moment.value: list(map(definition, them)) for moment, them in self.program.hooks.items()},
            "event_loop": self.program.own_loop.sentence if self.program.own_loop else None,
            "requirements": check_requirements.data(self.requirements),
            "settings": [asdict(row) for row in self.known],
            "undecided": list(self.undecided),
            "warnings": list(self.warnings),
            "problems": [*self.problems, *map(str, self.faults)],
            "exit_code": int(self.exit_code),
        }
        return json.dumps(self.settings.redactor.within(data), indent=2, ensure_ascii=False)


def check_program(fallback_model: Path | None = None, *, is_elsewhere: bool = False, **given: Any) -> Report:
    """Check the program and its settings; `given` as in `environment.read`. With `is_elsewhere` (the server will run
    on another machine) the engine's flags are not checked: this machine may lack the engine."""
    problems: tuple[str, ...] = ()
    backend: Backend | None = None
    try:
        settings = read(**given)
        find_sessions(settings)
        backend = open_backend(settings, fallback_model)
    except SettingsError as error:
        problems = error.problems
        settings = error.usable or read(**given)
    chosen = [name for name, value in given.items() if value is not None]
    with check_adoption.recording(settings, backend) as adoption:
        program, requirements = load_program(settings), find(settings)
        problems += _problems_of_flags(
            settings, backend, adoption, is_elsewhere=is_elsewhere, is_refused=bool(program.faults)
        )
    rows = tuple(known(settings, chosen))
    config, plugins, adapters = (
        engine_config.read(settings),
        tuple(installed(settings)),
        startup_adapters.load(settings),
    )
    return Report(settings, rows, program, requirements, problems, config, plugins, adapters, adoption)


def _problems_of_flags(
    settings: Settings, backend: Backend | None, adoption: Adoption | None, *, is_elsewhere: bool, is_refused: bool
) -> tuple[str, ...]:
    """Check vLLM's flags if any is set: only then is vLLM's parser worth its import. The engine's model, too, where
    the script has to name it."""
    found = adopted.find(adoption, settings)
    if backend is None or settings.engine != "vllm" or is_elsewhere:
        return ()
    if is_refused and isinstance(backend, Adopting) and backend.lacks_model:
        return ()  # the script may name the model, once it loads
    flags = {*(engine_config.read(settings).flags or ()), *dict(flags_of_styles(settings))}
    try:
        adopted.require_model(found, adoption, backend)
        if isinstance(backend, Adopting) and adoption is not None:
            backend.ask(adoption.flags)
            flags |= adoption.flags.keys()
        if flags - {"SM_VLLM_MODEL"}:
            with fields_named(settings):
                backend.prepare()
    except SettingsError as refused:
        return refused.problems
    return ()


def _section(title: str, rows: Iterable[str]) -> list[str]:
    """A titled list with folded rows; empty if there are no rows."""
    folded = [textwrap.fill(row, initial_indent="  ", **_FOLD) for row in rows]
    return ["", title, *folded] if folded else []


def _wrapper(wrapper: Wrapper) -> str:
    candidate = wrapper.candidate
    return f"{wrapper.place}: {candidate.label}, {candidate.found}  {definition(candidate.function)}"


def _wrapper_data(wrapper: Wrapper) -> dict[str, str]:
    candidate = wrapper.candidate
    where = definition(candidate.function)
    return {"place": wrapper.place.value, "name": candidate.label, "found": candidate.found, "where": where}


def _models(program: Program) -> dict[str, Any]:
    """Data of each served model. The keys of our own styles (a Truss is `model`) are always present, None if unused."""
    served = {model.title.lower(): dict(model.data()) for model in program.models}
    return {"model": None, "definition": None, "app": None, **served}


def _plugin(plugin: Plugin) -> str:
    return f"{plugin.kind} {plugin.name}: {plugin.where}{', left out' if plugin.is_disabled else ''}"


def _adapter(row: tuple[AdapterSlot, Handler]) -> str:
    slot, handler = row
    return f"{slot.method} {slot.path}: {handler.signature.text}  {handler.signature.where}"


def _field(row: Field) -> str:
    """One row. A refused field shows the first line of its note; the problems hold the whole note."""
    return f"{row.name}: {row.outcome}: {row.note.splitlines()[0]}"


def _field_data(row: Field) -> dict[str, str]:
    return {"name": row.name, "where": row.where, "outcome": row.outcome.value, "note": row.note}


def _steps(program: Program) -> list[str]:
    return [f"@{step.decorator}: {handler.signature.where}" for step, handler in program.session_handlers.items()]


def _hooks(program: Program) -> list[str]:
    return [f"{moment}: {definition(hook)}" for moment, hooks in program.hooks.items() for hook in hooks]


def _settings(rows: Iterable[Known], *, has_all: bool) -> list[str]:
    shown = [row for row in rows if has_all or row.source != "default"]
    more = [] if has_all else ["the others have their defaults: --all shows them"]
    return [*(f"{row.name}={row.value} ({row.source})" for row in shown), *more]
