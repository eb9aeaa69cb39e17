"""The requirements in `handrail check`: those that pip would install, and the questions that stay open until then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from handrail.core.errors import HandlerFault, ImportFailed

from handrail_container.program.requirements import Requirements
from handrail_container.settings.environment import masked
from handrail_container.settings.fields import Settings


def row(found: Requirements | None) -> str:
    """One line of text."""
    if found is None:
        return "none"
    files = ", ".join(map(str, found.paths)) or "none that can be read"
    if found.refused:
        return f"{files}: refused, see below"
    return f"{files}: {'pip will install ' + _unmet(found) if found.unmet else 'all there'}"


def data(found: Requirements | None) -> dict[str, Any] | None:
    """The JSON form of the requirements."""
    if found is None:
        return None
    paths = list(map(str, found.paths))
    return {
        "path": paths[0] if paths else None,
        "paths": paths,
        "unmet": [masked(line.text) for line in found.unmet],
        "unmet_where": [line.where for line in found.unmet],
        "refused": list(found.refused),
    }


def missing_requirements(settings: Settings, found: Requirements | None) -> str:
    """The requirements that pip would install, as text; empty if there are none."""
    if settings.installs_requirements and settings.pip_args:
        return masked(settings.pip_args)
    return _unmet(found) if found and not found.refused else ""


def undecided(lacking: str, faults: Iterable[HandlerFault]) -> tuple[str, ...]:
    """One sentence for each question that stays open until pip has installed the `lacking` requirements."""
    if not lacking:
        return ()
    unknown = f"whether pip can install {lacking} is not known before it runs, when the server starts"
    instead = "To know now, install them here (pip install …) and check again"
    awaiting = [fault for fault in faults if pip_may_fix(fault)]
    return (unknown, *(f"who answers cannot be told before pip has run: {fault}. {instead}" for fault in awaiting))


def pip_may_fix(fault: HandlerFault | None) -> bool:
    """Whether `fault` is a failed import that pip may mend by installing the module."""
    return isinstance(fault, ImportFailed) and isinstance(fault.__cause__, ImportError)


def _unmet(found: Requirements) -> str:
    return masked(", ".join(map(str, found.unmet)))
