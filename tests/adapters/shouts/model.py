"""Formatters by name, with a module of its own that another adapter has, too."""

from __future__ import annotations

from typing import Any

import helpers


def input_formatter(data: dict[str, Any]) -> dict[str, Any]:
    if "prompt" in data:
        data["prompt"] = f"{data['prompt']} {helpers.WORD}"
    return data


async def output_formatter(data: dict[str, Any]) -> dict[str, Any]:
    from helpers import changed  # as late as that

    return changed(data, str.upper)
