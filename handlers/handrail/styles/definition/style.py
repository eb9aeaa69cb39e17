"""Rung 4 of the ladder: what a definition offers for /invocations, beside Python and beside a Truss."""

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
        """Of a definition that a handler in Python hides, only a setting that is wrong still counts."""
        found = self.read(directory)
        if found is None or not directory.is_answered:
            return found
        wrong = tuple(fault for fault in found.faults if isinstance(fault, SettingFault))
        return replace(found, faults=wrong, warnings=() if found.functions() else found.warnings)
