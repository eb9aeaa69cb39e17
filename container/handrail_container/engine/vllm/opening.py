"""Opens the vLLM engine from the settings. Importing this module does not import vLLM."""

from __future__ import annotations

from handrail.adoption.text import read_directory

from handrail_container.engine.opening import Opening, request_bounds
from handrail_container.engine.vllm.backend import VllmBackend
from handrail_container.process.exits import SettingsError
from handrail_container.program.weights import find_model


def open_vllm(asked: Opening) -> VllmBackend:
    """Raises SettingsError if there is no model."""
    settings = asked.settings
    flags = {name: value for name, value in asked.flags.items() if name != "SM_VLLM_MODEL"}
    model = _model(asked)
    is_strict = settings.model_names == "strict"
    return VllmBackend(model, flags, settings.stall_s, is_strict=is_strict, bounds=request_bounds(settings))


def _model(asked: Opening) -> str | SettingsError:
    """The model; or why there is none, where the script may build an engine that says which."""
    settings = asked.settings
    try:
        return find_model(settings, asked.fallback_model, asked.model, asked.flags.get("SM_VLLM_MODEL"))
    except SettingsError as missing:
        if settings.adopt and read_directory(settings.model_path).constructions:
            return missing
        raise
