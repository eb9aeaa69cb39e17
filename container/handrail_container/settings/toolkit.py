"""The settings that have an effect on scripts for SageMaker's inference toolkit only."""

from __future__ import annotations

from pydantic_settings import BaseSettings

from handrail_container.settings.field import variable


class ToolkitSettings(BaseSettings):
    submit_directory: str | None = variable(
        "SAGEMAKER_SUBMIT_DIRECTORY",
        None,
        "The folder of a script for SageMaker's inference toolkit. Unset, or where there is no such script: `code/`.",
    )
    model_server_workers: int | None = variable(
        "SAGEMAKER_MODEL_SERVER_WORKERS",
        None,
        "Requests that such a script works on at once, in one process. Unset: all that are admitted, in 256 threads.",
        ge=1,
    )
    default_accept: str = variable(
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
        "application/json",
        "What such a script answers with where `Accept` is missing or `*/*`.",
    )
