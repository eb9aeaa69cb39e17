"""The settings of scripts that are written for other servers, and the names that platforms have for ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from handrail_container.settings.adoption import AdoptionSettings
from handrail_container.settings.application import ApplicationSettings
from handrail_container.settings.endpoint_handler import EndpointHandlerSettings
from handrail_container.settings.toolkit import ToolkitSettings
from handrail_container.settings.vertex import LAST_PORT, VertexSettings

#: Other names of our variables, which hold where ours are not set.
OTHER_NAMES = {"SAGEMAKER_BIND_TO_PORT": "AIP_HTTP_PORT", "SAGEMAKER_MODEL_PATH": "HF_MODEL_DIR"}


class ScriptSettings(ApplicationSettings, AdoptionSettings, ToolkitSettings, EndpointHandlerSettings, VertexSettings):
    @model_validator(mode="before")
    @classmethod
    def _under_other_names(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        pairs = [(ours, given.get(other)) for ours, other in OTHER_NAMES.items() if ours not in given]
        return {**given, **{ours: value for ours, value in pairs if value is not None and _fits(ours, value)}}


def _fits(name: str, value: Any) -> bool:
    """A port that is none is a problem of the variable that has it, and not of ours."""
    return name != "SAGEMAKER_BIND_TO_PORT" or (str(value).isdecimal() and int(value) <= LAST_PORT)
