"""A setting's field, and the variable of the environment it is read from."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def variable(name: str, default: Any, description: str, **constraints: Any) -> Any:
    """A field read from the environment variable `name`."""
    return Field(default=default, validation_alias=name, description=description, **constraints)
