"""Finds the engine that HANDRAIL_ENGINE names among the plugins, and opens it without starting it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from handrail_container.engine.backend import Backend
from handrail_container.engine.grammars import RequestBounds
from handrail_container.http.json_bounds import JsonBounds
from handrail_container.process.exits import SettingsError
from handrail_container.program import engine_config, hub
from handrail_container.program.plugins import engine_opener, flags_of_styles
from handrail_container.settings.fields import Settings

_MODEL = "SM_VLLM_MODEL"


@dataclass(frozen=True)
class Opening:
    """The arguments of an engine's opener. `flags` are `SM_VLLM_…` variables: the environment's over those of
    `config.yaml`, over LMI's, over those of styles; a model among them is served whatever weights there are. `model` is
    from `config.yaml` or a style, `fallback_model` from the command line."""

    settings: Settings
    flags: dict[str, str]
    model: str | None
    fallback_model: Path | None


def request_bounds(settings: Settings) -> RequestBounds:
    """What one request may ask of an engine."""
    return RequestBounds(
        settings.max_grammar_size,
        settings.max_n,
        settings.max_text_chars,
        settings.max_repeated_chars,
        settings.max_logprobs,
        JsonBounds(settings.max_json_values, settings.max_json_objects, settings.max_json_depth),
    )


def open_backend(settings: Settings, fallback_model: Path | None) -> Backend:
    """The engine `HANDRAIL_ENGINE` names, not started.

    Raises SettingsError if the engine needs a model and has none, or the configuration asks for something impossible;
    PluginError if the engine is a plugin that cannot be loaded.
    """
    hub.set_token(settings)
    config = engine_config.read(settings)
    engine_config.require_no_problems(config)
    opener = engine_opener(settings)
    flags = dict(flags_of_styles(settings))
    of_style = flags.pop(_MODEL, None)
    model = config.model or of_style
    backend: Backend = opener(Opening(settings, engine_config.merged(flags, config.flags or {}), model, fallback_model))
    return backend


@contextmanager
def fields_named(settings: Settings) -> Iterator[None]:
    """Name the fields of the configuration that set the flags which the engine refuses with a SettingsError."""
    try:
        yield
    except SettingsError as refused:
        named = engine_config.read(settings).named
        raise SettingsError(*map(named, refused.problems)) from refused
