"""The settings that have an effect on handlers of Hugging Face's Inference Endpoints, and on its hub's models."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from handrail_container.settings.field import variable


class EndpointHandlerSettings(BaseSettings):
    endpoint_handler_concurrency: int = variable(
        "HANDRAIL_ENDPOINT_HANDLER_CONCURRENCY",
        1,
        "Requests that an `EndpointHandler` works on at once; the others wait for their turn. With more than 1 its "
        "`__call__` runs in several threads at once.",
        ge=1,
    )
    hf_pipeline_name: str | None = variable(
        "HF_DEFAULT_PIPELINE_NAME",
        None,
        "The file of such a handler, under the model directory. Unset: the first of `handler.py` and `pipeline.py`.",
    )
    hf_module_name: str | None = variable(
        "HF_MODULE_NAME", None, "Its class, after the last dot: `handler.Name`. Unset: `EndpointHandler`."
    )
    hf_task: str | None = variable(
        "HF_TASK",
        None,
        "The task of the model, such as `automatic-speech-recognition`: what `application/octet-stream` and text in "
        "Base64 are for such a handler.",
    )
    hf_model_dir: Path | None = variable(
        "HF_MODEL_DIR", None, "Hugging Face's name for `SAGEMAKER_MODEL_PATH`, where that is not set."
    )
    hf_revision: str | None = variable(
        "HF_REVISION", None, "The revision of `HF_MODEL_ID`; `SM_VLLM_REVISION` comes before it."
    )
    hf_hub_token: SecretStr | None = variable(
        "HF_HUB_TOKEN", None, "Hugging Face's older name for `HF_TOKEN`, where that is not set."
    )
