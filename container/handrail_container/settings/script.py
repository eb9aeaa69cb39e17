"""The settings of scripts that are written for other servers, and the names that platforms have for ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from handrail_container.settings.application import ApplicationSettings
from handrail_container.settings.endpoint_handler import EndpointHandlerSettings
from handrail_container.settings.toolkit import ToolkitSettings
from handrail_container.settings.vertex import VertexSettings

#: Other names of our variables, which hold where ours are not set.
_NAMES = {"SAGEMAKER_BIND_TO_PORT": "AIP_HTTP_PORT", "SAGEMAKER_MODEL_PATH": "HF_MODEL_DIR"}


class ScriptSettings(ApplicationSettings, ToolkitSettings, EndpointHandlerSettings, VertexSettings):
    @model_validator(mode="before")
    @classmethod
    def _under_other_names(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        more = {ours: given[other] for ours, other in _NAMES.items() if other in given and ours not in given}
        return {**given, **more}
