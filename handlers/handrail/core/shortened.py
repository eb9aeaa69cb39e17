"""Cuts texts that an answer or a line of the log would hold: a client may have written them, and of any length."""

from __future__ import annotations

#: Characters, eight times as many as an answer can have bytes: secrets are masked before the rest is cut.
MOST_TEXT = 16_384


def shortened(text: str, most: int = MOST_TEXT) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
