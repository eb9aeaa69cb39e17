"""Rung 4 of the ladder: a definition's offer for /invocations, beside Python handlers and a Truss."""

from __future__ import annotations

from dataclasses import replace

from handrail.core.errors import SettingFault
from handrail.core.whole_model import ModelDirectory, Offer, Style


class DefinitionStyle(Style):
    name = "definition"

    def __init__(self, found: Offer | None = None) -> None:
        self._found = found

    def read(self, directory: ModelDirectory) -> Offer | None:
        return self._found

    def find(self, directory: ModelDirectory) -> Offer | None:
        """The definition's offer. If a Python handler hides it, only its wrong settings remain as faults."""
        found = self.read(directory)
        if found is None or not directory.is_answered:
            return found
        wrong = tuple(fault for fault in found.faults if isinstance(fault, SettingFault))
        return replace(found, faults=wrong, warnings=() if found.functions() else found.warnings)
