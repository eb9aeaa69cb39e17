"""The settings of an application in the script."""

from __future__ import annotations

from handrail.core import reference
from handrail.core.errors import MalformedReference
from pydantic import field_validator
from pydantic_settings import BaseSettings

from handrail_container.settings.field import variable


class ApplicationSettings(BaseSettings):
    app: str | None = variable(
        "CUSTOM_APP",
        None,
        "A reference to the FastAPI or Starlette application whose routes are served. Unset: `app` of the script.",
    )
    app_invocation: str | None = variable(
        "HANDRAIL_APP_INVOCATION",
        None,
        "The path of the application's POST route that answers `/invocations`. Unset: its own `/invocations`, else its "
        "only POST route.",
    )
    allow_unused: bool = variable(
        "HANDRAIL_ALLOW_UNUSED",
        False,
        "Whether the default handlers may answer in place of a script that is written for another server.",
    )

    @field_validator("app")
    @classmethod
    def _names_an_app(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                reference.parse("CUSTOM_APP", value, "app")
            except MalformedReference as fault:
                raise ValueError(str(fault)) from None
        return value
