"""Collects the offers of all styles for a model directory, and chooses those that are served."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from handrail.core.calling import Handler, adapt
from handrail.core.errors import Ambiguous, HandlerFault, SignatureRefused
from handrail.core.slots import Slot
from handrail.core.whole_model import ModelDirectory, Offer, Style, WholeModel


class Prepared(NamedTuple):
    """`script` is the script's file if a style names one; `starts_server` says that its import may start a server."""

    script: str | None
    starts_server: bool


def prepare(styles: Sequence[Style], directory: ModelDirectory) -> Prepared:
    """Prepare all styles; the first that names a script decides. Raises HandlerFault."""
    said = [(style, style.prepare(directory)) for style in styles]
    found = [Prepared(script, style.starts_servers) for style, script in said if script is not None]
    return found[0] if found else Prepared(None, starts_server=False)


def find_offers(styles: Sequence[Style], directory: ModelDirectory) -> list[Offer]:
    """The styles' offers, without those that another hides at /invocations; two of equal rank are Ambiguous."""
    found = [(style, offer) for style in styles if (offer := style.find(directory)) is not None]
    rivals = [(style, offer) for style, offer in found if Slot.INVOCATION in offer.functions()]
    if directory.is_answered or len(rivals) < 2:
        return [offer for _, offer in found]
    best = max(_rank(*rival) for rival in rivals)
    (style, first), *others = sorted(rivals, key=lambda rival: _rank(*rival), reverse=True)
    hidden = [offer for _, offer in others]
    if [_rank(*rival) for rival in rivals].count(best) > 1:
        names = " or ".join(f"HANDRAIL_STYLE={one.name}" for one in (style, others[0][0]))
        refused = Ambiguous(
            f"/invocations has two whole models: {first.label} and {hidden[0].label}. Keep one, or choose with {names}."
        )
        return [replace(first, faults=(refused,)), *(offer for _, offer in found if offer is not first)]
    said = tuple(f"/invocations: {first.label} hides {offer.label}" for offer in hidden)
    told = replace(first, warnings=(*first.warnings, *said))
    return [told, *(offer for _, offer in found if all(offer is not one for one in (first, *hidden)))]


def _rank(style: Style, offer: Offer) -> tuple[bool, int]:
    return offer.is_chosen, style.priority


class Served(NamedTuple):
    """The models that are served, the one among them that answers /invocations, and their routes."""

    models: tuple[WholeModel, ...]
    answering: WholeModel | None
    routes: Mapping[str, Handler]
    faults: tuple[HandlerFault, ...]

    @classmethod
    def of(cls, offers: Sequence[Offer], winners: Mapping[Slot, str]) -> Served:
        """Choose from the offers; `winners` has the label of each slot's winner."""
        models = tuple(_served(offers, winners.values()))
        routes: dict[str, Handler] = {}
        faults: list[HandlerFault] = []
        for model in models:
            for path, function in model.routes.items():
                try:
                    routes[path] = function if isinstance(function, Handler) else adapt(function, Slot.INVOCATION)
                except SignatureRefused as fault:
                    faults.append(SignatureRefused(f"{path}: {fault}.", fault.user_traceback))
        answering = [offer.model for offer in offers if offer.label == winners[Slot.INVOCATION]]
        return cls(models, answering[0] if answering else None, routes, tuple(faults))


def _served(offers: Sequence[Offer], winners: Collection[str]) -> Iterator[WholeModel]:
    for offer in offers:
        model = offer.model
        if model is not None and (model.is_always_served or model.routes or offer.label in winners):
            yield model
