"""Hugging Face's variables of a model on its hub, as the engine has them."""

from __future__ import annotations

from handrail_container.program.weights import has_weights
from handrail_container.settings.environment import set_defaults
from handrail_container.settings.fields import Settings


def flags(settings: Settings) -> dict[str, str]:
    """`SM_VLLM_…` variables for what HF_… variables say."""
    found = {"SM_VLLM_TRUST_REMOTE_CODE": "true"} if settings.hf_trust_remote_code else {}
    is_of_hub = settings.hf_model_id and "SM_VLLM_MODEL" not in settings.vllm and not has_weights(settings.model_path)
    if settings.hf_revision and is_of_hub:
        found["SM_VLLM_REVISION"] = settings.hf_revision
    return found


def set_token(settings: Settings) -> None:
    """Set HF_TOKEN, which the hub's library reads, to HF_HUB_TOKEN where it is not set."""
    if settings.hf_hub_token is not None and settings.hf_token is None:
        set_defaults({"HF_TOKEN": settings.hf_hub_token.get_secret_value()})
