"""Opens the vLLM engine from the settings. Importing this module does not import vLLM."""

from __future__ import annotations

from handrail_container.engine.opening import Opening, request_bounds
from handrail_container.engine.vllm.backend import VllmBackend
from handrail_container.program.weights import find_model


def open_vllm(asked: Opening) -> VllmBackend:
    """Raises SettingsError if there is no model."""
    settings = asked.settings
    flags = {name: value for name, value in asked.flags.items() if name != "SM_VLLM_MODEL"}
    model = find_model(settings, asked.fallback_model, asked.model, asked.flags.get("SM_VLLM_MODEL"))
    is_strict = settings.model_names == "strict"
    return VllmBackend(model, flags, settings.stall_s, is_strict=is_strict, bounds=request_bounds(settings))
