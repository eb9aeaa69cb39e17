"""Opens the vLLM engine from the settings. Importing this module does not import vLLM."""

from __future__ import annotations

from handrail_container.engine.grammars import RequestBounds
from handrail_container.engine.opening import Opening
from handrail_container.engine.vllm.backend import VllmBackend
from handrail_container.program.weights import find_model


def open_vllm(asked: Opening) -> VllmBackend:
    """Raises SettingsError if there is no model."""
    settings = asked.settings
    flags = {name: value for name, value in asked.flags.items() if name != "SM_VLLM_MODEL"}
    model = find_model(settings, asked.fallback_model, asked.model)
    bounds = RequestBounds(
        settings.max_grammar_size, settings.max_n, settings.max_text_chars, settings.max_repeated_chars
    )
    is_strict = settings.model_names == "strict"
    return VllmBackend(model, flags, settings.stall_s, is_strict=is_strict, bounds=bounds)
