"""Whether a program builds an engine of its own, and what has to start first."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from handrail.adoption.text import BuildPlace, Built, read

from handrail_container.engine.backend import Adopting, Backend
from handrail_container.process.exits import SettingsError
from handrail_container.program.adoption.record import Adoption
from handrail_container.settings import environment
from handrail_container.settings.fields import Settings

_THREADS = 256


@dataclass(frozen=True)
class Found:
    """What the loaded program builds. `from_text` are constructions that have not run yet."""

    builds_engine: bool = False
    from_text: tuple[Built, ...] = ()
    #: Whether the parts of the program have to start before the engine, as they know its arguments.
    starts_first: bool = False


def find(adoption: Adoption | None, settings: Settings) -> Found:
    """Read the files of the program that has been loaded. The arguments that its text says are recorded."""
    if adoption is None:
        return Found()
    text = read(_loaded(settings.model_path), environment.process_environment())
    adoption.refusals += [
        f"{where} starts another vLLM: the routes under /v1 are served here already. Leave it out, or set "
        "HANDRAIL_ADOPT=false"
        for where in text.commands
    ]
    built = tuple(one for one in text.constructions if one.place is not BuildPlace.GUARD)  # one that is run has run
    if adoption.is_wanted or not built:
        return Found(bool(built) or adoption.is_wanted)
    is_said = all(one.arguments == built[0].arguments and not one.unread for one in built)
    if is_said and "model" in built[0].arguments:
        adoption.expect(built[0])
        return Found(True, built)
    return Found(True, built, starts_first=True)


def widen_threads() -> None:
    """Let as many requests wait for the engine at once as it can batch: each `def` that asks it holds a thread."""
    limiter = to_thread.current_default_thread_limiter()
    limiter.total_tokens = max(limiter.total_tokens, _THREADS)


def require_model(found: Found, adoption: Adoption | None, backend: Backend) -> None:
    """Raises SettingsError if nothing says which model the engine is to have."""
    if not found.starts_first or adoption is None or adoption.is_wanted or not isinstance(backend, Adopting):
        return
    if backend.lacks_model:
        where = found.from_text[0].where
        raise SettingsError(
            f"{where.rpartition(':')[0]} builds no engine before it serves, and its first construction ({where}) "
            "cannot be read: set SM_VLLM_MODEL"
        )


def _loaded(folder: Path) -> Iterator[Path]:
    """The files below `folder` that have been imported."""
    roots = tuple(f"{root}{os.sep}" for root in (os.path.abspath(folder), folder.resolve()))
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and os.path.abspath(file).startswith(roots):
            yield Path(file)
