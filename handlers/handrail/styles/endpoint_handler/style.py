"""Rung 4 of the ladder: the offer of a handler that is written for Hugging Face's Inference Endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from handrail.core.errors import HandlerFault, NameMissing, ScriptMissing
from handrail.core.marks import Mark
from handrail.core.tracebacks import definition
from handrail.core.whole_model import ModelDirectory, Offer, Style
from handrail.styles.endpoint_handler.files import CLASS, class_names, defined, locate
from handrail.styles.endpoint_handler.inspection import HandlerClass, inspect_class
from handrail.styles.endpoint_handler.model import EndpointModel
from handrail.styles.endpoint_handler.surroundings import EndpointSurroundings

_PIPELINE = "HF_DEFAULT_PIPELINE_NAME"


class EndpointStyle(Style):
    """Finds `handler.py`, or what HF_DEFAULT_PIPELINE_NAME names, and an `EndpointHandler` in a `model.py`.

    A `model.py` beside it that answers /invocations comes before it. One that does not is imported, as the handler is.
    """

    name = "endpoint_handler"
    priority = -3  # any other whole model beside it is served, unless a variable names the handler

    def __init__(self, surroundings: EndpointSurroundings | None = None) -> None:
        self._surroundings = surroundings or EndpointSurroundings()

    def surroundings(self, directory: ModelDirectory) -> EndpointSurroundings:
        return self._surroundings

    def prepare(self, directory: ModelDirectory) -> str | None:
        path = locate(directory.path, self.surroundings(directory))
        if path is None:
            return None
        return str(path.relative_to(directory.path) if path.is_relative_to(directory.path) else path)

    def find(self, directory: ModelDirectory) -> Offer | None:
        """None where a handler of a higher rung answers /invocations: the file is not run then."""
        if directory.is_answered:
            return None
        surroundings, script = self.surroundings(directory), directory.script
        path = locate(directory.path, surroundings)
        if script.module is not None and script.path is not None and defined(script.module, surroundings):
            return self._offer(script.path, script.module, directory)
        if path is None:
            return _missing(directory.path, surroundings)
        if path == script.path and script.module is None:  # its import failed, which is told
            return None
        return self._beside_script(path, directory)

    def _beside_script(self, path: Path, directory: ModelDirectory) -> Offer | None:
        """The offer of a file beside a `model.py` that answers nothing, or of one without the class."""
        try:
            module = directory.loader.load(path)
        except HandlerFault as fault:
            return Offer(_label(path), faults=(fault,))
        surroundings = self.surroundings(directory)
        if defined(module, surroundings) is None:
            return _without_class(path, surroundings)
        offer = self._offer(path, module, directory)
        unused = directory.loader.marks[len(directory.script.marks) :]
        return replace(offer, warnings=(*offer.warnings, *_without_effect(path, unused, directory)))

    def _offer(self, path: Path, module: ModuleType, directory: ModelDirectory) -> Offer:
        surroundings = self.surroundings(directory)
        name = defined(module, surroundings) or CLASS
        warnings, is_chosen = (*_other_class(name, path, surroundings), *surroundings.unread()), surroundings.is_chosen
        try:
            found = inspect_class(vars(module)[name], name, path)
            _require_engine(found, surroundings)
        except HandlerFault as fault:
            return Offer(_label(path), None, (fault,), warnings, is_chosen, script=path)
        model = EndpointModel(path, directory.path, found, surroundings)
        return Offer(_label(path), model, (), warnings, is_chosen, script=path)


def _require_engine(found: HandlerClass, surroundings: EndpointSurroundings) -> None:
    if found.needs_engine and not surroundings.has_engine:
        raise NameMissing(
            f"{found.made.where} {found.made.text}: there is no engine to give it (HANDRAIL_ENGINE=none): write "
            "`engine=None`, or set HANDRAIL_ENGINE=vllm."
        )


def _missing(model_path: Path, surroundings: EndpointSurroundings) -> Offer | None:
    """The fault of a file that is named and not there."""
    name = surroundings.pipeline_name
    if name is None:
        return None
    fault = ScriptMissing(
        f"{_PIPELINE} is {name!r}, and there is no file {model_path / name}. Put the handler there, or unset it."
    )
    return Offer(_label(model_path / name), faults=(fault,))


def _without_class(path: Path, surroundings: EndpointSurroundings) -> Offer | None:
    """The fault of a file that a variable names; one that is found by its name alone is another's."""
    if not surroundings.is_chosen:
        return None
    names = " or ".join(dict.fromkeys(class_names(surroundings)))
    return Offer(_label(path), faults=(NameMissing(f"{path} has no class {names}: define `class {CLASS}`."),))


def _other_class(name: str, path: Path, surroundings: EndpointSurroundings) -> Iterator[str]:
    if surroundings.module_name is not None and name != class_names(surroundings)[0]:
        yield (
            f"HF_MODULE_NAME is {surroundings.module_name!r}, and {path} has no class "
            f"{class_names(surroundings)[0]}: {name} is served"
        )


def _without_effect(path: Path, marks: Sequence[Mark], directory: ModelDirectory) -> Iterator[str]:
    for mark in marks:
        yield (
            f"{definition(mark.function)} @{mark.role.decorator} has no effect: {directory.script.path} is the script. "
            f"Write CUSTOM_SCRIPT_FILENAME={path}"
        )


def _label(path: Path) -> str:
    return f"Hugging Face's Inference Endpoints, {path}"
