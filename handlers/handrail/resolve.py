"""The ladder: chooses the handler of each slot, and records why.

For each slot the first of these wins: the environment's reference, the script's decorated function, the script's
function of the slot's fixed name, a whole model (a Truss Model, or a definition's `run_inference`), the default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from handrail.adoption.guard import with_guard
from handrail.adoption.script_loop import ScriptLoop
from handrail.aws import adapter_handlers, sessions
from handrail.core import hooks
from handrail.core.calling import Handler, adapt
from handrail.core.errors import HandlerFault, SignatureRefused
from handrail.core.ladder import (
    DEFAULT,
    Candidate,
    Rung,
    Sources,
    decorated,
    default,
    first,
    from_environment,
    from_styles,
    hidden,
    named,
    near_misses,
)
from handrail.core.script import Loader, Script, find_script, make_importable
from handrail.core.siblings import hidden_siblings
from handrail.core.slots import AdapterSlot, Moment, SessionStep, Slot
from handrail.core.streaming import adapt_stream
from handrail.core.tracebacks import definition
from handrail.core.unawaited import unawaited
from handrail.core.whole_model import ModelDirectory, Offer, WholeModel
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
    #: Where the script's coroutines run, if not on the server's loop.
    own_loop: ScriptLoop | None = None

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
        on_own_loop = [self.own_loop.sentence] if self.own_loop else []
        return [*(slot.sentence() for slot in self.resolutions.values()), *wrapped, *adapting, *on_own_loop]


class _Found(NamedTuple):
    """All that the environment, the script and the styles offer. `load_fault` is set if the script failed to load."""

    script: Script
    load_fault: HandlerFault | None
    has_run: Callable[[Path], bool]
    offers: Sequence[Offer]
    candidates: Mapping[Slot, tuple[Candidate, ...]]
    around: Around

    @property
    def is_answered(self) -> bool:
        """Whether /invocations has a handler besides the server's own."""
        return self.candidates[Slot.INVOCATION][0].function is not DEFAULT

    @property
    def is_known(self) -> bool:
        """Whether anything is defined that Handrail knows."""
        has_handler = any(candidates[0].function is not DEFAULT for candidates in self.candidates.values())
        has_model = any(offer.model or offer.faults for offer in self.offers)
        return has_handler or has_model or bool(self.script.marks or self.around.wrappers or self.around.faults)

    @property
    def is_script_of_style(self) -> bool:
        return self.script.path is not None and any(offer.script == self.script.path for offer in self.offers)


class _Settled(NamedTuple):
    """What serves. `script_fault` is why the script cannot: it failed to load, or is written for another server."""

    verdict: Verdict
    script_fault: HandlerFault | None
    resolutions: Mapping[Slot, Resolution]
    served: Served


class _Registered(NamedTuple):
    """What the script registers besides handlers of slots and wrappers."""

    hooks: Mapping[Moment, tuple[Callable[..., Any], ...]]
    sessions: Mapping[SessionStep, Handler]
    adapters: Mapping[AdapterSlot, Handler]
    faults: Sequence[HandlerFault]


def resolve(sources: Sources) -> Program:
    """Load the script and the files that references name, and settle each slot. Faults are collected, not raised."""
    found = _find(sources)
    settled = _settle_all(found, _verdict(sources, found))
    registered = _registered(found.script)
    return Program(
        found.script.path,
        settled.resolutions,
        found.around,
        registered.hooks,
        tuple(_unique([*sources.faults, *_faults(found, settled, registered)])),
        tuple(_warnings(found, settled, registered)),
        settled.served.models,
        settled.served.answering,
        settled.served.routes,
        registered.sessions,
        registered.adapters,
    )


def _find(sources: Sources) -> _Found:
    """Load the script, and collect the candidates of each slot and the wrappers."""
    make_importable(sources.model_path)
    loader = Loader(sources.script_args)
    script, load_fault = _load_script(sources, loader)
    asked = {slot: _asked_for(slot, sources, loader, script) for slot in Slot}
    directory = ModelDirectory(sources.model_path, loader, script, bool(asked[Slot.INVOCATION]), sources.settings)
    offers = find_offers(sources.styles, directory)
    candidates = {slot: (*asked[slot], *from_styles(slot, offers), *default(slot, script)) for slot in Slot}
    around = resolve_around(sources, loader, script)
    return _Found(script, load_fault, loader.has_run, offers, candidates, around)


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
        if sources.runs_guard:
            return with_guard(path, module, loader), None
    except HandlerFault as fault:
        return Script(path), explained(fault, path, [style.name for style in sources.styles])
    return Script(path, module, tuple(loader.marks)), None


def _asked_for(slot: Slot, sources: Sources, loader: Loader, script: Script) -> tuple[Candidate, ...]:
    """The candidates named or marked for the slot by the user."""
    return (*from_environment(slot, sources, loader, script), *decorated(slot, script), *named(slot, script))


def _verdict(sources: Sources, found: _Found) -> Verdict:
    """Whether the script, or a file beside it, is another server's. A script that failed to load is not judged."""
    if found.load_fault:
        return Verdict()
    facts = (sources.model_path, found.script.path, found.has_run, found.is_known, found.is_answered)
    return judge(Surveyed(*facts, sources.program, sources.refuses_foreign, is_served=found.is_script_of_style))


def _settle_all(found: _Found, verdict: Verdict) -> _Settled:
    script_fault = found.load_fault or verdict.fault
    resolutions = {slot: _settle(slot, candidates, script_fault) for slot, candidates in found.candidates.items()}
    winners = {slot: resolution.winner.found for slot, resolution in resolutions.items()}
    return _Settled(verdict, script_fault, resolutions, Served.of(found.offers, winners))


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


def _registered(script: Script) -> _Registered:
    found_hooks, hook_faults = hooks.find(script.marks)
    found_sessions, session_faults = sessions.find(script.marks)
    found_adapters, adapter_faults = adapter_handlers.find(script.marks)
    faults = [*hook_faults, *session_faults, *adapter_faults]
    return _Registered(found_hooks, found_sessions, found_adapters, faults)


def _faults(found: _Found, settled: _Settled, registered: _Registered) -> Iterator[HandlerFault | None]:
    yield settled.script_fault
    yield from (fault for offer in found.offers for fault in offer.faults)
    yield from settled.served.faults
    yield from (resolution.fault for resolution in settled.resolutions.values())
    yield from found.around.faults
    yield from registered.faults


def _unique(faults: Sequence[HandlerFault | None]) -> list[HandlerFault]:
    """Each fault once, without None: one fault may be that of several slots."""
    return list({id(fault): fault for fault in faults if fault is not None}.values())


def _warnings(found: _Found, settled: _Settled, registered: _Registered) -> Iterator[str]:
    yield from found.script.warnings
    yield from _script_warnings(found, settled)
    yield from found.around.warnings
    yield from hidden_siblings(found.script.path)
    yield from (warning for offer in found.offers for warning in offer.warnings)
    yield from settled.verdict.warnings
    if settled.resolutions[Slot.INVOCATION].handler is None:
        yield from (warning for model in settled.served.models for warning in model.unasked())
    handlers = [*(resolution.handler for resolution in settled.resolutions.values()), *registered.adapters.values()]
    functions = [handler.function for handler in handlers if handler is not None]
    yield from unawaited([*functions, *(hook for them in registered.hooks.values() for hook in them)])


def _script_warnings(found: _Found, settled: _Settled) -> list[str]:
    """The hidden candidates and the near misses of each slot; without any, that the script defines nothing known."""
    script = found.script
    warnings = [
        warning
        for slot, candidates in found.candidates.items()
        for warning in (*hidden(candidates, slot.path), *near_misses(slot, candidates, script))
    ]
    is_explained = settled.script_fault or found.is_known or warnings or settled.verdict.knows_script
    if script.path and script.module and not is_explained:
        warnings.append(nothing_known(script.path, script.module))
    return warnings
