"""The model on Hugging Face's hub: its token, and what of its variables has no effect. `program/lmi` maps the rest."""

from __future__ import annotations

from handrail_container.program.weights import has_weights
from handrail_container.settings.environment import process_environment, set_defaults
from handrail_container.settings.fields import Settings


def warnings(settings: Settings) -> list[str]:
    """A sentence for each variable that is set and has no effect."""
    found, stored = [], process_environment().get("AIP_STORAGE_URI")
    if settings.hf_revision and not _is_of_hub(settings):
        found.append(
            f"HF_REVISION={settings.hf_revision} has no effect: HF_MODEL_ID does not name the model. Write "
            "SM_VLLM_REVISION, if it is another one of the hub's"
        )
    if stored:
        found.append(
            f"AIP_STORAGE_URI={stored} is not fetched: put its files into the image at {settings.model_path}, or mount "
            "them there"
        )
    return found


def _is_of_hub(settings: Settings) -> bool:
    is_named = bool(settings.hf_model_id) and "SM_VLLM_MODEL" not in settings.vllm
    return is_named and not has_weights(settings.model_path)


def set_token(settings: Settings) -> None:
    """Set HF_TOKEN, which the hub's library reads, to HF_HUB_TOKEN where it is not set."""
    if settings.hf_hub_token is not None and settings.hf_token is None:
        set_defaults({"HF_TOKEN": settings.hf_hub_token.get_secret_value()})
