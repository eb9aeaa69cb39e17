"""Rung 4 of the ladder: the offer of a script that is written for SageMaker's inference toolkit."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from handrail.core.errors import HandlerFault, NameMissing
from handrail.core.marks import Mark
from handrail.core.tracebacks import definition
from handrail.core.whole_model import ModelDirectory, Offer, Style
from handrail.styles.inference_toolkit import stand_in
from handrail.styles.inference_toolkit.files import has_functions, is_local, locate
from handrail.styles.inference_toolkit.functions import defined, find_functions
from handrail.styles.inference_toolkit.model import ToolkitModel
from handrail.styles.inference_toolkit.surroundings import ToolkitSurroundings


class ToolkitStyle(Style):
    """Finds `code/inference.py`, or what SAGEMAKER_PROGRAM names, and the toolkit's functions in a `model.py`.

    A `model.py` beside it that answers /invocations comes before it. One that does not is imported, as the script is.
    """

    name = "inference_toolkit"
    priority = -2  # any other model beside it is served, unless the toolkit's own file is the script

    def __init__(self, surroundings: ToolkitSurroundings | None = None) -> None:
        self._surroundings = surroundings or ToolkitSurroundings()

    def surroundings(self, directory: ModelDirectory) -> ToolkitSurroundings:
        return self._surroundings

    def prepare(self, directory: ModelDirectory) -> str | None:
        """The script's file; what it imports of the toolkit's package is made importable."""
        path = locate(directory.path, self.surroundings(directory))
        if path is None:
            return None
        stand_in.install()
        return str(path.relative_to(directory.path) if path.is_relative_to(directory.path) else path)

    def find(self, directory: ModelDirectory) -> Offer | None:
        """None where a handler of a higher rung answers /invocations: the script is not run then."""
        if directory.is_answered:
            return None
        path, script = locate(directory.path, self.surroundings(directory)), directory.script
        if script.module is not None and script.path is not None and defined(script.module):
            return self._offer(script.path, script.module, directory, is_chosen=script.path == path)
        if path is None or path == script.path or not has_functions(path):
            return _not_fetched(self.surroundings(directory))
        return self._beside_script(path, directory)

    def _beside_script(self, path: Path, directory: ModelDirectory) -> Offer | None:
        """The offer of a script beside a `model.py` that answers nothing."""
        try:
            module = directory.loader.load(path)
        except HandlerFault as fault:
            return Offer(_label(path), faults=(fault,))
        if not defined(module):  # its own `if` or `try` has left them out
            return None
        is_chosen = self.surroundings(directory).program is not None
        offer = self._offer(path, module, directory, is_chosen=is_chosen)
        unused = directory.loader.marks[len(directory.script.marks) :]
        return replace(offer, warnings=(*offer.warnings, *_without_effect(path, unused, directory)))

    def _offer(self, path: Path, module: ModuleType, directory: ModelDirectory, *, is_chosen: bool) -> Offer:
        surroundings, functions = self.surroundings(directory), find_functions(module)
        faults, answering = functions.faults, functions.answering
        needs_engine = "model_fn" not in functions.by_name and not surroundings.has_engine
        if needs_engine and not faults:
            faults = (
                NameMissing(
                    f"{path} has no model_fn, and without an engine (HANDRAIL_ENGINE=none) there is nothing else that "
                    "could be the model: define `model_fn(model_dir)`, or set HANDRAIL_ENGINE=vllm."
                ),
            )
        warnings = (*functions.warnings, *_unserved(path), *surroundings.unread())
        if faults or answering is None:
            return Offer(_label(path), None, faults, warnings, is_chosen, script=path)
        model = ToolkitModel(path, directory.path, functions.by_name, answering, surroundings)
        return Offer(_label(path), model, (), warnings, is_chosen, script=path)


def _not_fetched(surroundings: ToolkitSurroundings) -> Offer | None:
    """Warns where the script is said to be at an address."""
    submitted = surroundings.submit_directory
    if submitted is None or is_local(submitted):
        return None
    said = f"SAGEMAKER_SUBMIT_DIRECTORY={submitted}"
    return Offer(said, warnings=(f"{said} is not fetched: put its files into code/ of the model directory",))


def _without_effect(path: Path, marks: Sequence[Mark], directory: ModelDirectory) -> Iterator[str]:
    for mark in marks:
        yield (
            f"{definition(mark.function)} @{mark.role.decorator} has no effect: {directory.script.path} is the script. "
            f"Write CUSTOM_SCRIPT_FILENAME={path}"
        )


def _label(path: Path) -> str:
    return f"SageMaker's inference toolkit, {path}"


def _unserved(path: Path) -> Iterator[str]:
    """A warning for each use of what the context lacks."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Attribute) and node.attr == "metrics" and ast.unparse(node.value) in ("context", "ctx"):
            yield f"{path}:{node.lineno} {ast.unparse(node)} is not served, and raises: the server counts at /metrics"
