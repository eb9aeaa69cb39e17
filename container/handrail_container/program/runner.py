"""What runs the snippet of a definition."""

from __future__ import annotations

from handrail.styles.definition.model import DefinedModel
from handrail.styles.definition.runner import Runner

from handrail_container.settings.fields import Settings


def runner(model: DefinedModel, settings: Settings, engine_url: str) -> Runner:
    """What runs a definition's snippet, which asks an engine at `engine_url`."""
    from handrail_container.program.workers.pool import WorkerPool

    return WorkerPool(model.snippet, settings.snippet_queue, None if settings.engine == "none" else engine_url)
