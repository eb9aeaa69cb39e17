"""Rung 4 of the ladder: what a Truss Model offers for each slot."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.errors import DefinitionRefused, HandlerFault
from handrail.core.ladder import Candidate, Rung, Script, Sources
from handrail.core.script import Loader, make_importable
from handrail.core.slots import Slot
from handrail.styles.truss.config import TrussConfig
from handrail.styles.truss.methods import definition_of_class
from handrail.styles.truss.model import TrussModel, find_class

_METHODS = {Slot.PING: "is_healthy", Slot.INVOCATION: "predict", Slot.STREAM: "websocket"}


@dataclass(frozen=True)
class Style:
    """`cls` is the class that was found, `model` what is served of it: nothing where a higher rung answers."""

    cls: type | None = None
    model: TrussModel | None = None
    fault: HandlerFault | None = None

    def bypassed(self) -> list[str]:
        """A warning for a Model that /invocations does not ask: what it defines no method for is the engine's."""
        if self.cls is None or self.model is None or "predict" in self.model.methods:
            return []
        own = ", ".join(name for name in self.model.handlers if name != "is_healthy")
        asked = f" where the body is not one for its {own}" if own else ""
        instead = "Set" if "websocket" in self.model.methods else "Define predict, or set"
        return [
            f"{definition_of_class(self.cls)} class {self.cls.__name__} has no predict: the engine answers "
            f"/invocations{asked}. {instead} HANDRAIL_MODEL_ROUTES=strict, which answers 404"
        ]

    def candidates(self, slot: Slot) -> list[Candidate]:
        name = _METHODS[slot]
        is_offered = self.model is not None or self.fault is not None or slot is Slot.INVOCATION
        if self.cls is None or not is_offered or not hasattr(self.cls, name):
            return []
        found = f"class {self.cls.__name__} at {definition_of_class(self.cls)}"
        handler = self.model.handlers.get(name) if self.model else None
        if self.model is not None and slot is Slot.STREAM:
            handler = self.model.socket
        return [Candidate(Rung.STYLE, found, getattr(self.cls, name), self.fault, handler)]


def prepare(config: TrussConfig | DefinitionRefused | None, loader: Loader) -> str | None:
    """Make a Truss's packages importable before its script runs. Where the script is; None where there is no Truss.

    Raises DefinitionRefused, ImportFailed.
    """
    if isinstance(config, DefinitionRefused):
        raise config
    if config is None:
        return None
    script = config.folder / config.script
    if script.is_file():
        make_importable(config.packages)
        loader.as_package(script.parent)
    return config.script


def find(sources: Sources, script: Script, *, is_answered: bool) -> Style:
    """`is_answered` where a higher rung answers /invocations: a class that only has the name is not served then."""
    if script.module is None or isinstance(sources.config, DefinitionRefused):
        return Style()
    config = sources.config or TrussConfig(sources.model_path / "config.yaml")
    cls = None
    try:
        is_truss = script.path == config.folder / config.script or config.names_class
        cls = find_class(script.module, config, is_declared=is_truss and not is_answered)
        if cls is None or (is_answered and not is_truss):
            return Style(cls)
        return Style(cls, TrussModel(cls, config, sources.surroundings))
    except HandlerFault as fault:
        return Style(cls, fault=fault)
