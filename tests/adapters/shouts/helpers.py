from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WORD = "loudly"


@dataclass
class Seen:
    """String annotations: dataclasses look for the module by its name."""

    word: str = WORD


def changed(data: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    for choice in data.get("choices", []):
        choice["text"] = change(choice["text"])
    if data.get("generated_text"):
        data["generated_text"] = change(data["generated_text"])
    return data
