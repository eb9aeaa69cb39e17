"""Rung 4 of the ladder: a Truss Model's offer for each slot."""

from __future__ import annotations

from typing import Any

from handrail.core.errors import DefinitionRefused, HandlerFault
from handrail.core.script import make_importable
from handrail.core.slots import Slot
from handrail.core.whole_model import ModelDirectory, Offer, Style
from handrail.styles.truss.config import TrussConfig
from handrail.styles.truss.methods import definition_of_class
from handrail.styles.truss.model import SLOTS, TrussModel, find_class
from handrail.styles.truss.surroundings import Surroundings


class TrussStyle(Style):
    """`config` is the directory's config.yaml if there is one, or the reason it cannot be read."""

    name = "truss"

    def __init__(
        self, config: TrussConfig | DefinitionRefused | None = None, surroundings: Surroundings | None = None
    ) -> None:
        self._config = config
        self._surroundings = surroundings or Surroundings()

    def config(self, directory: ModelDirectory) -> TrussConfig | DefinitionRefused | None:
        return self._config

    def surroundings(self, directory: ModelDirectory) -> Surroundings:
        return self._surroundings

    def prepare(self, directory: ModelDirectory) -> str | None:
        """Make a Truss's packages importable. Raises DefinitionRefused, ImportFailed."""
        config = self.config(directory)
        if isinstance(config, DefinitionRefused):
            raise config
        if config is None:
            return None
        script = config.folder / config.script
        if script.is_file():
            make_importable(config.packages)
            directory.loader.as_package(script.parent)
        return config.script

    def find(self, directory: ModelDirectory) -> Offer | None:
        """The offer of the script's class. Outside a Truss it is not served if a handler answers /invocations."""
        script, config = directory.script, self.config(directory)
        if script.module is None or isinstance(config, DefinitionRefused):
            return None
        config = config or TrussConfig(directory.path / "config.yaml")
        is_truss = script.path == config.folder / config.script or config.names_class
        try:
            cls = find_class(script.module, config, is_declared=is_truss and not directory.is_answered)
        except HandlerFault as fault:
            return Offer(f"class {config.class_name}", faults=(fault,))
        if cls is None:
            return None
        label = f"class {cls.__name__} at {definition_of_class(cls)}"
        defined = {slot: getattr(cls, name) for slot, name in SLOTS.items() if hasattr(cls, name)}
        if directory.is_answered and not is_truss:
            return Offer(label, offered=_of_invocation(defined))
        try:
            return Offer(label, TrussModel(cls, config, self.surroundings(directory)))
        except HandlerFault as fault:
            return Offer(label, faults=(fault,), offered=defined)


def _of_invocation(defined: dict[Slot, Any]) -> dict[Slot, Any]:
    """The methods of an unserved class that a handler of /invocations hides."""
    return {slot: function for slot, function in defined.items() if slot is Slot.INVOCATION}
