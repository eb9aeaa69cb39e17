"""What becomes of one field of a model directory's configuration, whoever's it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    MAPPED = "mapped"
    USED = "used"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True)
class Field:
    """Result for one field. `note` is the flag it maps to, its use, why it is ignored, or what to use instead; `where`
    is empty for a variable of the environment. `is_warned` says that the log warns of it."""

    name: str
    where: str
    outcome: Outcome
    note: str
    flags: Mapping[str, str] = field(default_factory=dict)
    needs_gpu: bool = False
    is_warned: bool = False

    @property
    def label(self) -> str:
        """The field as a sentence names it."""
        return f"{self.where} {self.name}".lstrip()

    def __str__(self) -> str:
        return f"{self.label}: {self.note}"
