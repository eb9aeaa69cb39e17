"""The settings that choose among the installed styles and engines."""

from __future__ import annotations

from pydantic_settings import BaseSettings

from handrail_container.settings.field import variable


class PluginSettings(BaseSettings):
    style: str | None = variable(
        "HANDRAIL_STYLE",
        None,
        "The one style of whole models to look for: `app`, `truss`, `definition`, `inference_toolkit`, `lmi`, "
        "`endpoint_handler`, or that of a plugin. Unset: each.",
    )
    plugins_disabled: str | None = variable(
        "HANDRAIL_PLUGINS_DISABLED", None, "Plugins to leave out, styles and engines, by their names: `name,name`."
    )

    @property
    def plugins_left_out(self) -> frozenset[str]:
        return frozenset(filter(None, (one.strip() for one in (self.plugins_disabled or "").split(","))))
