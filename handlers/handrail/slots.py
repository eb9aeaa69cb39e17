"""The slots a user may fill, and the names by which each is filled."""

from __future__ import annotations

from enum import StrEnum


class Slot(StrEnum):
    PING = "ping"
    INVOCATION = "invocation"

    @property
    def variable(self) -> str:
        """The environment variable of rung 1."""
        return f"CUSTOM_FASTAPI_{self.name}_HANDLER"

    @property
    def decorator(self) -> str:
        """The decorator of rung 2."""
        return f"custom_{self.value}_handler"

    @property
    def function(self) -> str:
        """The function name of rung 3."""
        return f"custom_sagemaker_{self.value}_handler"

    @property
    def path(self) -> str:
        """The route the slot answers."""
        return {"ping": "/ping", "invocation": "/invocations"}[self.value]
