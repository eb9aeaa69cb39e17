"""Connects the metrics, and the tracing if there is any, to requests and to calls of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handrail_container.engine.backend import Backend
from handrail_container.gate.exchange import Exchange
from handrail_container.gate.gate import Gate
from handrail_container.gate.metrics import Tally

if TYPE_CHECKING:
    from handrail_container.gate.tracing import Tracing


def observe(gate: Gate, backend: Backend, tally: Tally, tracing: Tracing | None) -> None:
    """Report requests and calls of the engine to `tally` and `tracing` from now on."""
    gate.when_over = tally.count
    tally.route_of = gate.route
    if tracing is None:
        return

    def when_over(exchange: Exchange) -> None:
        tally.count(exchange)
        tracing.end(exchange)

    gate.when_over = when_over
    backend.facade.watch = tracing
    for lane in (gate.lanes.invocations, gate.lanes.engine):
        lane.when_asked = tracing.begin
