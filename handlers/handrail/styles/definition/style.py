"""Rung 4 of the ladder: what a definition offers for /invocations, beside Python and beside a Truss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

from handrail.core.errors import Ambiguous, HandlerFault, SettingFault
from handrail.styles.definition.inspection import NAME
from handrail.styles.definition.model import DefinedModel


@dataclass(frozen=True)
class Found:
    """A definition that was found: `model` is None where there are `faults`, and where the file is somebody else's.
    `is_chosen` where a setting names it."""

    path: Path
    model: DefinedModel | None = None
    faults: tuple[HandlerFault, ...] = ()
    warnings: tuple[str, ...] = ()
    is_chosen: bool = False
    is_foreign: bool = False

    @property
    def label(self) -> str:
        return f"the definition {self.path}"

    @property
    def function(self) -> SimpleNamespace:
        """Stands for what only a worker may load."""
        return SimpleNamespace(__name__=NAME)

    def unused(self) -> Found:
        """Of a definition that a handler in Python hides: only a setting that is wrong still counts."""
        wrong = tuple(fault for fault in self.faults if isinstance(fault, SettingFault))
        return replace(self, faults=wrong, warnings=())

    def beside(self, model: str) -> Found:
        """Of a definition beside a whole `model` in Python."""
        if self.is_chosen:
            return replace(self, warnings=(*self.warnings, f"/invocations: {self.label} hides {model}"))
        return replace(
            self,
            faults=(
                Ambiguous(
                    f"/invocations has two whole models: {model} and {self.label}. Keep one, or choose with "
                    f"HANDRAIL_DEFINITION={self.path.name} (the definition) or HANDRAIL_DEFINITION=none (the Model)."
                ),
            ),
        )
