"""Rung 4 of the ladder: the offer of a script that is written for DJL Serving's LMI container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from handrail.core.errors import HandlerFault, NameMissing
from handrail.core.slots import Slot
from handrail.core.whole_model import ModelDirectory, Offer, Style
from handrail.styles.foreign.outline import outline
from handrail.styles.lmi import stand_in
from handrail.styles.lmi.marks import INPUT, OUTPUT, LmiFunctions, find_functions, has_handle, marked
from handrail.styles.lmi.model import LmiModel
from handrail.styles.lmi.surroundings import LmiSurroundings

#: Files of the directory that are read to see whether one of them imports the package.
_MOST_FILES = 64


class LmiStyle(Style):
    """Finds a script with functions that djl_python's decorators mark, or one that imports djl_python and has `handle`.

    A script of these with functions of SageMaker's toolkit instead is left to that style, as in LMI.
    """

    name = "lmi"
    priority = -1  # before a script of the toolkit, and after a Truss

    def __init__(self, surroundings: LmiSurroundings | None = None) -> None:
        self._surroundings = surroundings or LmiSurroundings()

    def surroundings(self, directory: ModelDirectory) -> LmiSurroundings:
        return self._surroundings

    def prepare(self, directory: ModelDirectory) -> str | None:
        """Make `djl_python` importable where a file of the directory names it."""
        if any(stand_in.PACKAGE.encode() in _text(path) for path in _files(directory.path)):
            stand_in.install()
        return None

    def find(self, directory: ModelDirectory) -> Offer | None:
        """None where a handler of a higher rung answers /invocations."""
        path, module = directory.script.path, directory.script.module
        if directory.is_answered or path is None or module is None:
            return None
        with_handle = has_handle(module) and _imports_package(path)
        if not with_handle and not marked(module):
            return None
        return self._offer(path, module, directory, with_handle=with_handle)

    def _offer(self, path: Path, module: ModuleType, directory: ModelDirectory, *, with_handle: bool) -> Offer:
        surroundings, functions = self.surroundings(directory), find_functions(module, with_handle=with_handle)
        label, answering = f"DJL Serving's LMI, {path}", functions.answering
        faults = functions.faults or _faults(path, functions, surroundings)
        if faults or answering is None:
            defined = {} if functions.candidate is None else {Slot.INVOCATION: functions.candidate}
            return Offer(label, None, faults, functions.warnings, surroundings.is_preferred, defined, path)
        model = LmiModel(path, directory.path, functions.by_name, answering, surroundings)
        return Offer(label, model, (), functions.warnings, surroundings.is_preferred, script=path)


def _faults(path: Path, functions: LmiFunctions, surroundings: LmiSurroundings) -> tuple[HandlerFault, ...]:
    names = functions.by_name.keys()
    if functions.answering is None:
        fault = "has an @init_handler, and nothing that answers: mark a function with @prediction_handler, too"
    elif names <= {INPUT, OUTPUT} and not surroundings.has_engine:
        fault = (
            "has formatters, and without an engine (HANDRAIL_ENGINE=none) there is nothing between them: mark a "
            "function with @prediction_handler, or set HANDRAIL_ENGINE=vllm"
        )
    else:
        return ()
    return (NameMissing(f"{path} {fault}."),)


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted([*folder.glob("*.py"), *folder.glob("*/*.py")])[:_MOST_FILES]


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # to import it reports why
        return b""


def _imports_package(path: Path) -> bool:
    found = outline(path)
    origins = found.imported.values() if found is not None else ()
    return any(name.partition(".")[0] == stand_in.PACKAGE for name, _ in origins)
