"""Formatters that change what they are given, and return nothing."""

from __future__ import annotations

from typing import Any

from helpers import WORD
from parts import tone
from parts.volume import LOW


def input_formatter(data: dict[str, Any]) -> None:
    data["prompt"] = f"{data['prompt']} {WORD} {tone.TONE} {LOW}"


def output_formatter(data: dict[str, Any]) -> None:
    data["whispered"] = True
