"""The engines that a script builds, in `handrail check`: what the server's engine would be given by them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from handrail.core.errors import HandlerFault

from handrail_container.engine.backend import Adopting, Backend
from handrail_container.program.adoption.record import Adoption, Construction, EngineNotHere
from handrail_container.settings.fields import Settings


@contextmanager
def recording(settings: Settings, backend: Backend | None) -> Iterator[Adoption | None]:
    """Record what is built within, and start no engine; None if the script gets vLLM's classes as they are."""
    if not (settings.adopt and isinstance(backend, Adopting)):
        yield None
        return
    adoption = Adoption(settings, None)
    backend.adopt(adoption)
    try:
        yield adoption
    finally:
        backend.release()


def section(built: Construction) -> tuple[str, list[str]]:
    """The heading of one engine, and a row for each of its arguments."""
    title = f"{built.name} of the script, which is the server's engine  {built.where}"
    return title, [f"{row.name}: {row.outcome}: {row.note}" for row in built.rows]


def data(built: Construction) -> dict[str, Any]:
    rows = [{"name": row.name, "outcome": row.outcome.value, "note": row.note} for row in built.rows]
    return {"name": built.name, "where": built.where, "arguments": rows}


def faults(adoption: Adoption | None) -> list[HandlerFault]:
    return adoption.faults if adoption is not None else []


def needs_engine(fault: BaseException | None) -> bool:
    """Whether a script failed because it asks its engine while it is imported, which is not there here."""
    while fault is not None:
        if isinstance(fault, EngineNotHere):
            return True
        fault = fault.__cause__ or fault.__context__
    return False


def undecided(fault: HandlerFault) -> str:
    return f"who answers cannot be told without an engine, which the script asks while it is imported: {fault}"
