"""Which engine there is: found among the plugins, and opened without being started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from handrail_container.engine.backend import Backend
from handrail_container.program import engine_config
from handrail_container.program.plugins import engine_opener, flags_of_styles
from handrail_container.settings.fields import Settings

_MODEL = "SM_VLLM_MODEL"


@dataclass(frozen=True)
class Opening:
    """What an engine is opened with. `flags` are `SM_VLLM_…` variables: of the environment, of `config.yaml` and of the
    styles, in this order; `model` is what the files name, `fallback_model` what the command line does."""

    settings: Settings
    flags: dict[str, str]
    model: str | None
    fallback_model: Path | None


def open_backend(settings: Settings, fallback_model: Path | None) -> Backend:
    """The engine `HANDRAIL_ENGINE` names, not started.

    Raises SettingsError where it needs a model and has none, and where `config.yaml` asks for what cannot be done;
    PluginError where the engine is another's and cannot be had.
    """
    config = engine_config.read(settings)
    engine_config.require_no_problems(config)
    opener = engine_opener(settings)
    flags = dict(flags_of_styles(settings))
    model = config.model or flags.pop(_MODEL, None)
    backend: Backend = opener(Opening(settings, {**flags, **(config.flags or {})}, model, fallback_model))
    return backend
