"""The settings that Vertex AI gives a container."""

from __future__ import annotations

import re

from pydantic import ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from handrail_container.settings.field import variable

LAST_PORT = 65535
#: Paths of ours that answer something else, or only with GET.
_OURS = ("/ping", "/health", "/metrics", "/execution-parameters", "/adapters", "/openapi.json", "/docs")
_INVOCATIONS = ("/invocations", "/predict")
#: A path as it stands in a request line, without a query.
_PATH = re.compile(r"/[!$&'()*+,;=:@A-Za-z0-9._~/-]*")


class VertexSettings(BaseSettings):
    aip_http_port: int | None = variable(
        "AIP_HTTP_PORT",
        None,
        "Vertex AI's name for `SAGEMAKER_BIND_TO_PORT`, where that is not set.",
        ge=0,
        le=LAST_PORT,
    )
    aip_health_route: str | None = variable(
        "AIP_HEALTH_ROUTE", None, "The path of Vertex AI's health checks, which is answered as `/ping` is."
    )
    aip_predict_route: str | None = variable(
        "AIP_PREDICT_ROUTE",
        None,
        'The path of Vertex AI\'s requests: `{"instances": […]}` is answered with `{"predictions": […]}`, one request '
        "to `/invocations` for each instance; any other body as at `/invocations`.",
    )

    @field_validator("aip_health_route", "aip_predict_route")
    @classmethod
    def _is_free(cls, route: str | None, info: ValidationInfo) -> str | None:
        name = str(cls.model_fields[str(info.field_name)].validation_alias)
        if route is None:
            return None
        if not _PATH.fullmatch(route):
            raise ValueError(f"{name} is {route!r}, which is no path: write one that begins with /, as /v1/predict")
        is_health = info.field_name == "aip_health_route"
        taken = (*_OURS[2:], *_INVOCATIONS) if is_health else _OURS
        if route in taken:
            raise ValueError(f"{name} is {route!r}, which answers something else: choose another path")
        if not is_health and route == info.data.get("aip_health_route") and route != "/":
            raise ValueError(f"{name} is {route!r}, as AIP_HEALTH_ROUTE is: choose two paths")
        return route
