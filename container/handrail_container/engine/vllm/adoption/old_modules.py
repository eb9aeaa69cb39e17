"""Stands in for modules of vLLM that are gone: their names are those of the modules that took their place."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from handrail_container.engine.vllm.adoption.imports import Prepare
from handrail_container.engine.vllm.adoption.ours import called_at
from handrail_container.program.adoption.old_names import MODULES, NAMES, Module, Unavailable


class OldModules(MetaPathFinder):
    """Installed behind all other finders: a module that vLLM has is never stood in for. `prepared` is for
    `AfterImport`: it adds the names that are gone from modules that are there."""

    def __init__(self) -> None:
        self.prepared: Mapping[str, Prepare] = dict.fromkeys(NAMES, self._prepare)
        self._given: list[str] = []
        self._prepared: list[tuple[ModuleType, Any]] = []

    def install(self) -> None:
        sys.meta_path.append(self)

    def undo(self) -> None:
        sys.meta_path.remove(self)
        for name in self._given:
            _forget(name)
        while self._prepared:
            module, before = self._prepared.pop()
            del vars(module)["__getattr__"]
            vars(module).update({"__getattr__": before} if before else {})

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = MODULES.get(name)
        if isinstance(found, Unavailable):
            raise ModuleNotFoundError(f"{called_at()} {name}: {found.instead}", name=name)
        is_package = any(old.startswith(f"{name}.") for old in MODULES)
        if found is None and not is_package:
            return None
        self._given.append(name)
        return ModuleSpec(name, _StandIn(found or Module()), is_package=is_package)

    def _prepare(self, module: ModuleType) -> None:
        before = vars(module).get("__getattr__")
        self._prepared.append((module, before))
        vars(module)["__getattr__"] = _finder(module.__name__, NAMES[module.__name__], before)


class _StandIn(Loader):
    def __init__(self, found: Module) -> None:
        self._found = found

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = f"Stands in for a module that vLLM has no more: {', '.join(self._found.homes)}"
        vars(module)["__getattr__"] = _finder(module.__name__, self._found, functools.partial(self._all, module))
        vars(module)["__dir__"] = lambda: [*vars(module), *self._listed()]

    def _all(self, module: ModuleType, name: str) -> Any:
        """The names that an import of all imports."""
        if name == "__all__":
            return self._listed()
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

    def _listed(self) -> list[str]:
        homes = (home for name in self._found.homes if (home := _imported(name)))
        return [*self._found.names, *(name for home in homes for name in dir(home) if not name.startswith("_"))]


def _finder(module: str, found: Module, before: Callable[[str], Any] | None) -> Callable[[str], Any]:
    """A module's `__getattr__`: what the name is now, else what `before` gives."""

    def __getattr__(name: str) -> Any:
        if name in found.refused:
            raise ImportError(f"{called_at()} {module}.{name} {found.refused[name]}", name=module)
        if name in found.names:
            home, _, new = found.names[name].partition(":")
            return getattr(importlib.import_module(home), new)
        if not name.startswith("__"):
            for home in found.homes:
                if hasattr(_imported(home), name):
                    return getattr(_imported(home), name)
        if before:
            return before(name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__


def _imported(name: str) -> ModuleType | None:
    """The module; None if this version of vLLM has none of that name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if not name.startswith(str(missing.name)):
            raise  # the module exists, but one that it imports is missing
        return None


def _forget(name: str) -> None:
    """Take a stand-in away, from its package too."""
    module = sys.modules.pop(name, None)
    package, _, last = name.rpartition(".")
    if module is not None and vars(sys.modules.get(package) or ModuleType(package)).get(last) is module:
        delattr(sys.modules[package], last)
