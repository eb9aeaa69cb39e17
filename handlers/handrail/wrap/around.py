"""Resolves the user's wrappers around the handlers: a throttle, then pre- and post-processing.

For each place the environment comes before a decorator. A combined `pre_post_process` comes before the separate
formatters, unless the environment names a formatter and only a decorator the combined one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from handrail.core.errors import HandlerFault, SignatureRefused
from handrail.core.ladder import Candidate, Rung, Sources, decorated, first, from_environment, hidden
from handrail.core.script import Loader, Script
from handrail.core.slots import WrapperSlot
from handrail.wrap import middleware
from handrail.wrap.middleware import Wrap

_ADAPT: dict[WrapperSlot, Callable[[Any], Wrap]] = {
    WrapperSlot.THROTTLE: middleware.middleware,
    WrapperSlot.PRE_POST_PROCESS: middleware.middleware,
    WrapperSlot.INPUT_FORMATTER: middleware.input_formatter,
    WrapperSlot.OUTPUT_FORMATTER: middleware.output_formatter,
}


@dataclass(frozen=True)
class Wrapper:
    """A user's wrapper, ready to be put around an application."""

    place: WrapperSlot
    candidate: Candidate
    wrap: Wrap


@dataclass(frozen=True)
class Around:
    """The wrappers: `pre_post` directly around the handler, outermost first; `throttle` outside of all others."""

    throttle: Wrapper | None = None
    pre_post: tuple[Wrapper, ...] = ()
    faults: tuple[HandlerFault, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def wrappers(self) -> tuple[Wrapper, ...]:
        return (self.throttle, *self.pre_post) if self.throttle else self.pre_post


def resolve_around(sources: Sources, loader: Loader, script: Script) -> Around:
    """Resolve each place's wrapper. Faults are collected, not raised."""
    found = {
        place: (*from_environment(place, sources, loader, script), *decorated(place, script)) for place in WrapperSlot
    }
    wrappers: dict[WrapperSlot, Wrapper] = {}
    faults: list[HandlerFault] = []
    for place, candidates in found.items():
        if candidates:
            try:
                wrappers[place] = _adapted(place, candidates)
            except HandlerFault as fault:
                faults.append(fault)
    pre_post, losers = _chosen(wrappers)
    warnings = [sentence for place, candidates in found.items() if candidates for sentence in hidden(candidates, place)]
    warnings += [f"{loser.place}: {pre_post[0].candidate.found} hides {loser.candidate.label}" for loser in losers]
    return Around(wrappers.get(WrapperSlot.THROTTLE), pre_post, tuple(faults), tuple(warnings))


def _adapted(place: WrapperSlot, candidates: tuple[Candidate, ...]) -> Wrapper:
    winner = first(candidates, place, place)
    try:
        return Wrapper(place, winner, _ADAPT[place](winner.function))
    except SignatureRefused as fault:
        raise SignatureRefused(f"{place}, {winner.found}: {fault}.") from None


def _chosen(wrappers: dict[WrapperSlot, Wrapper]) -> tuple[tuple[Wrapper, ...], tuple[Wrapper, ...]]:
    """The wrappers used for pre- and post-processing, and those that they hide."""
    formatters = (WrapperSlot.INPUT_FORMATTER, WrapperSlot.OUTPUT_FORMATTER)
    separate = tuple(wrappers[place] for place in formatters if place in wrappers)
    combined = wrappers.get(WrapperSlot.PRE_POST_PROCESS)
    if combined is None:
        return separate, ()
    asks_for_separate = any(wrapper.candidate.rung is Rung.ENVIRONMENT for wrapper in separate)
    if asks_for_separate and combined.candidate.rung is not Rung.ENVIRONMENT:
        return separate, (combined,)
    return (combined,), separate
