"""The ladder: chooses the handler of each slot, and records why.

For each slot the first of these wins: the environment's reference, the script's decorated function, the script's
function of the slot's fixed name, a whole model (a Truss Model, or a definition's `run_inference`), the default.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from handrail.aws import adapter_handlers
from handrail.aws.sessions import handler_of
from handrail.core import hooks
from handrail.core.calling import Handler, adapt
from handrail.core.errors import Ambiguous, HandlerFault, SignatureRefused
from handrail.core.ladder import (
    DEFAULT,
    Candidate,
    Rung,
    Sources,
    decorated,
    default,
    first,
    from_environment,
    hidden,
    named,
    of_styles,
)
from handrail.core.script import Loader, Script, find_script, make_importable
from handrail.core.siblings import hidden_siblings
from handrail.core.slots import AdapterSlot, Moment, SessionStep, Slot
from handrail.core.streaming import adapt_stream
from handrail.core.tracebacks import definition
from handrail.core.unawaited import unawaited
from handrail.core.whole_model import ModelDirectory, WholeModel
from handrail.styles.foreign.judge import Surveyed, Verdict, explained, judge, nothing_known, require_no_server
from handrail.styles.offers import Served, find_offers, prepare
from handrail.wrap.around import Around, resolve_around


@dataclass(frozen=True)
class Resolution:
    """The result for one slot; the first candidate wins. `handler` is None for the default, or if `fault` is set."""

    slot: Slot
    candidates: tuple[Candidate, ...]
    handler: Handler | None = None
    fault: HandlerFault | None = None

    @property
    def winner(self) -> Candidate:
        return self.candidates[0]

    @property
    def is_settled(self) -> bool:
        """False if only the default is left because the script failed to load."""
        return self.fault is None or self.winner.rung is not Rung.DEFAULT

    def sentence(self) -> str:
        """One sentence: the handler that answers, and why."""
        if self.handler is None:
            return f"{self.slot.path} is answered by the default handler: {self.winner.found}"
        signature = self.handler.signature
        return f"{self.slot.path} is answered by {signature.name} ({signature.where}): {self.winner.found}"


@dataclass(frozen=True)
class Program:
    """The program of a model directory and an environment. It must not be served if it has `faults`."""

    script: Path | None
    resolutions: Mapping[Slot, Resolution]
    around: Around
    hooks: Mapping[Moment, tuple[Callable[..., Any], ...]]
    faults: tuple[HandlerFault, ...]
    warnings: tuple[str, ...]
    models: tuple[WholeModel, ...] = ()
    #: The model that answers /invocations.
    answering: WholeModel | None = None
    #: Routes of the models, by path.
    routes: Mapping[str, Handler] = field(default_factory=dict)
    session_handlers: Mapping[SessionStep, Handler] = field(default_factory=dict)
    adapters: Mapping[AdapterSlot, Handler] = field(default_factory=dict)

    @property
    def hides_engine(self) -> bool:
        """Whether the engine's routes would bypass checks of the model that answers /invocations."""
        return self.answering is not None and self.answering.hides_engine

    def sentences(self) -> list[str]:
        """One sentence for each slot, each wrapper and each adapter handler."""
        wrapped = [
            f"{wrapper.place} stands around the handlers: {wrapper.candidate.label} "
            f"({definition(wrapper.candidate.function)}), {wrapper.candidate.found}"
            for wrapper in self.around.wrappers
        ]
        adapting = [
            f"{slot.method} {slot.path} is answered by {handler.signature.name} ({handler.signature.where}): "
            f"registered with @{slot.decorator}"
            for slot, handler in self.adapters.items()
        ]
        return [*(resolution.sentence() for resolution in self.resolutions.values()), *wrapped, *adapting]


def resolve(sources: Sources) -> Program:
    """Load the script and the files that references name, and settle each slot. Faults are collected, not raised."""
    make_importable(sources.model_path)
    loader = Loader()
    script, script_fault = _load_script(sources, loader)
    asked = {slot: _asked_for(slot, sources, loader, script) for slot in Slot}
    directory = ModelDirectory(sources.model_path, loader, script, bool(asked[Slot.INVOCATION]), sources.settings)
    offers = find_offers(sources.styles, directory)
    offered = {slot: (*asked[slot], *of_styles(slot, offers), *default(slot, script)) for slot in Slot}
    around = resolve_around(sources, loader, script)
    is_known = _is_known(offered, script, around) or any(offer.model or offer.faults for offer in offers)
    is_served = script.path is not None and any(offer.script == script.path for offer in offers)
    surveyed = _surveyed(sources, script, loader, offered, is_known=is_known)
    verdict = Verdict() if script_fault else judge(replace(surveyed, is_served=is_served))
    script_fault = script_fault or verdict.fault
    resolutions = {slot: _settle(slot, candidates, script_fault) for slot, candidates in offered.items()}
    served = Served.of(offers, {slot: resolution.winner.found for slot, resolution in resolutions.items()})
    of_hooks, hook_faults = _hooks(script)
    of_sessions, session_faults = _session_handlers(script)
    of_adapters, adapter_faults = adapter_handlers.find(script.marks)
    faults = [
        *sources.faults,
        script_fault,
        *(fault for offer in offers for fault in offer.faults),
        *served.faults,
        *(resolution.fault for resolution in resolutions.values()),
        *around.faults,
        *hook_faults,
        *session_faults,
        *adapter_faults,
    ]
    warnings = [warning for slot in Slot for warning in _warnings(resolutions[slot], script)]
    if script.path and script.module and not (script_fault or is_known or warnings or verdict.knows_script):
        warnings.append(nothing_known(script.path, script.module))
    warnings += [*around.warnings, *hidden_siblings(script.path)]
    warnings += (*(warning for offer in offers for warning in offer.warnings), *verdict.warnings)
    if resolutions[Slot.INVOCATION].handler is None:
        warnings += [warning for model in served.models for warning in model.unasked()]
    handlers = [one for one in (*(r.handler for r in resolutions.values()), *of_adapters.values()) if one is not None]
    warnings += unawaited([*(one.function for one in handlers), *(hook for them in of_hooks.values() for hook in them)])
    unique = tuple({id(fault): fault for fault in faults if fault is not None}.values())
    more = (served.models, served.answering, served.routes, of_sessions, of_adapters)
    return Program(script.path, resolutions, around, of_hooks, unique, tuple(warnings), *more)


def _load_script(sources: Sources, loader: Loader) -> tuple[Script, HandlerFault | None]:
    path = None
    try:
        prepared = prepare(sources.styles, ModelDirectory(sources.model_path, loader, settings=sources.settings))
        path = find_script(sources.model_path, sources.script_filename, prepared.script)
        if path is None:
            return Script(), None
        if not prepared.starts_server:
            require_no_server(path)
        module = loader.load(path)
    except HandlerFault as fault:
        return Script(path), explained(fault, path)
    return Script(path, module, tuple(loader.marks)), None


def _is_known(offered: Mapping[Slot, tuple[Candidate, ...]], script: Script, around: Around) -> bool:
    """Whether the script or the environment defines anything that Handrail knows."""
    answered = any(candidates[0].function is not DEFAULT for candidates in offered.values())
    return answered or bool(script.marks or around.wrappers or around.faults)


def _surveyed(
    sources: Sources,
    script: Script,
    loader: Loader,
    offered: Mapping[Slot, tuple[Candidate, ...]],
    *,
    is_known: bool,
) -> Surveyed:
    is_answered = offered[Slot.INVOCATION][0].function is not DEFAULT
    found = (sources.model_path, script.path, loader.has_run)
    return Surveyed(*found, is_known, is_answered, sources.program, sources.refuses_foreign)


def _asked_for(slot: Slot, sources: Sources, loader: Loader, script: Script) -> tuple[Candidate, ...]:
    """The candidates named or marked for the slot by the user."""
    return (*from_environment(slot, sources, loader, script), *decorated(slot, script), *named(slot, script))


def _settle(slot: Slot, candidates: tuple[Candidate, ...], script_fault: HandlerFault | None) -> Resolution:
    """Adapt the winner. The result has a fault if that fails, or if a script that failed to load may have a better
    candidate than the default."""
    if script_fault is not None and candidates[0].rung is Rung.DEFAULT:
        return Resolution(slot, candidates, fault=script_fault)
    if candidates[0].rung is Rung.STYLE and candidates[0].fault is not None:  # the model's fault, the same in all slots
        return Resolution(slot, candidates, fault=candidates[0].fault)
    try:
        winner = first(candidates, slot.path, slot)
        handler = winner.handler or _adapted(winner.function, slot)
    except SignatureRefused as fault:
        refused = SignatureRefused(f"{slot.path}, {candidates[0].found}: {fault}.", fault.user_traceback)
        return Resolution(slot, candidates, fault=refused)
    except HandlerFault as fault:
        return Resolution(slot, candidates, fault=fault)
    return Resolution(slot, candidates, handler)


def _adapted(function: Any, slot: Slot) -> Handler | None:
    if function is DEFAULT:
        return None
    return adapt_stream(function) if slot is Slot.STREAM else adapt(function, slot)


def _session_handlers(script: Script) -> tuple[dict[SessionStep, Handler], list[HandlerFault]]:
    """The functions that the script registers to open and close sessions of its engine."""
    marked = {step: [mark.function for mark in script.marks if mark.role is step] for step in SessionStep}
    faults: list[HandlerFault] = [
        Ambiguous(f"@{step.decorator} marks {' and '.join(map(definition, functions))}: keep one.")
        for step, functions in marked.items()
        if len(functions) > 1
    ]
    return {step: handler_of(functions[-1]) for step, functions in marked.items() if functions}, faults


def _hooks(script: Script) -> tuple[dict[Moment, tuple[Callable[..., Any], ...]], list[HandlerFault]]:
    marked = {moment: tuple(mark.function for mark in script.marks if mark.role is moment) for moment in Moment}
    faults: list[HandlerFault] = []
    for moment, functions in marked.items():
        for function in functions:
            try:
                hooks.check_hook(function)
            except SignatureRefused as fault:
                faults.append(SignatureRefused(f"@{moment}: {fault}."))
    return marked, faults


def _warnings(resolution: Resolution, script: Script) -> list[str]:
    return [*hidden(resolution.candidates, resolution.slot.path), *_near_misses(resolution, script)]


def _near_misses(resolution: Resolution, script: Script) -> list[str]:
    """A warning for a function whose name is almost that of rung 3, and that no other rung has found."""
    agreed = resolution.slot.function
    names = vars(script.module) if script.module else {}
    if agreed in names:
        return []
    handlers = {id(candidate.function) for candidate in resolution.candidates}
    others = {other.function for other in Slot}
    free = [n for n, value in names.items() if callable(value) and id(value) not in handlers and n not in others]
    close = difflib.get_close_matches(agreed, free, n=1, cutoff=0.88)
    return [f"{name} ({definition(names[name])}) is not a handler: did you mean {agreed}?" for name in close]
