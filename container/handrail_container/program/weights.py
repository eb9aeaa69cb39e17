"""Finds the model that the engine loads."""

from __future__ import annotations

from pathlib import Path

from handrail_container.process.exits import SettingsError
from handrail_container.settings.fields import Settings

_WEIGHT_FILES = ("*.safetensors", "*.bin", "*.pt", "*.gguf")


def find_model(
    settings: Settings, fallback: Path | None = None, of_config: str | None = None, named: str | None = None
) -> str:
    """A directory or a hub id: the first of `named` (`SM_VLLM_MODEL`, or LMI's `option.model_id`), weights in the model
    directory, the model in `config.yaml`, `HF_MODEL_ID`, `fallback`.

    Raises SettingsError naming these if there is none.
    """
    if named:
        return named
    if has_weights(settings.model_path):
        return str(settings.model_path)
    if of_config:
        return of_config
    if settings.hf_model_id:
        return settings.hf_model_id
    if fallback is not None:
        return str(fallback)
    raise SettingsError(
        f"No model: {settings.model_path} has no weights (config.json beside {', '.join(_WEIGHT_FILES[:2])} …), and "
        "none of SM_VLLM_MODEL, option.model_id, config.yaml (vllm, trt_llm) and HF_MODEL_ID names one. Set one of "
        "these to a directory or a hub id, or choose an engine that needs none: HANDRAIL_ENGINE=none (the script calls "
        "something else) or HANDRAIL_ENGINE=echo (it answers with its input)."
    )


def has_weights(folder: Path) -> bool:
    """Whether the folder has a model that an engine can load."""
    if any(folder.glob("*.gguf")):
        return True
    return (folder / "config.json").is_file() and any(any(folder.glob(pattern)) for pattern in _WEIGHT_FILES)
