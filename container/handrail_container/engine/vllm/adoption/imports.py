"""Calls a function once a module of vLLM has been imported, by whomever: nothing is imported for it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

Prepare = Callable[[ModuleType], None]


def together(*prepared: Mapping[str, Prepare]) -> dict[str, Prepare]:
    """One function for each module, which calls those of all."""

    def all_of(name: str) -> Prepare:
        functions = [each[name] for each in prepared if name in each]

        def prepare(module: ModuleType) -> None:
            for function in functions:
                function(module)

        return prepare

    return {name: all_of(name) for each in prepared for name in each}


class AfterImport(MetaPathFinder):
    """While installed, calls `prepared[name]` with the module of that name: at once if it is imported already, else
    after its import, before whoever imports it goes on."""

    def __init__(self, prepared: Mapping[str, Prepare]) -> None:
        self._prepared = dict(prepared)
        self._finding: set[str] = set()

    def install(self) -> None:
        sys.meta_path.insert(0, self)
        for name, prepare in self._prepared.items():
            module = sys.modules.get(name)
            if module is not None:
                prepare(module)

    def uninstall(self) -> None:
        sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._prepared or name in self._finding:
            return None
        self._finding.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._finding.discard(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Preparing(spec.loader, self._prepared[name])
        return spec


class _Preparing(Loader):
    """A module's own loader, and what is to be done after it."""

    def __init__(self, loader: Loader, prepare: Prepare) -> None:
        self._loader, self._prepare = loader, prepare

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._prepare(module)
