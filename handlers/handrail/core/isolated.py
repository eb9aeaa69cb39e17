"""Runs the Python files of one folder as modules that no other code of the process can import by accident.

Such a folder has no entry in `sys.path`, and its modules have names of their own in `sys.modules`. What its files
import is looked for in their folder first, so that two folders may each have a `helpers.py`.
"""

from __future__ import annotations

import builtins
import importlib
import itertools
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from handrail.core.marks import Mark, collect
from handrail.core.script import ISOLATED, import_failed, is_operators

_numbers = itertools.count(1)


class IsolatedFolder:
    """The modules of `folder`, from the first `load` until `close`; `marks` are what decorators noted meanwhile."""

    def __init__(self, folder: Path, label: str) -> None:
        self.folder = folder
        self.name = f"{ISOLATED}{re.sub(r'[^0-9A-Za-z]', '_', label)}_{next(_numbers)}"
        self.marks: list[Mark] = []
        self._is_own: dict[str, bool] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}

    def load(self, stem: str) -> ModuleType:
        """The module of the file `stem`.py. Raises ImportFailed, and leaves nothing of the folder imported."""
        self._open()
        path = self.folder / f"{stem}.py"
        try:
            with collect() as marks:
                module = importlib.import_module(f"{self.name}.{stem}")
        except BaseException as error:  # a user's script may raise anything
            self.close()
            if is_operators(error):
                raise
            raise import_failed(path, error) from error
        self.marks.extend(marks)
        return module

    def close(self) -> None:
        """Forget the modules. Functions of theirs still run, but can import nothing more of the folder."""
        _FINDER.folders.pop(self.name, None)
        for name in list(sys.modules):
            if name == self.name or name.startswith(f"{self.name}."):
                sys.modules.pop(name, None)
        for place in list(sys.path_importer_cache):
            if Path(place).is_relative_to(self.folder) and place not in sys.path:
                sys.path_importer_cache.pop(place, None)

    def _open(self) -> None:
        package = ModuleType(self.name)
        package.__path__ = [str(self.folder)]
        sys.modules[self.name] = package
        _FINDER.folders[self.name] = self._builtins
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
        importlib.invalidate_caches()

    def _import(
        self,
        name: str,
        of: Mapping[str, Any] | None = None,
        local: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What `import` calls in the folder's files."""
        first = name.partition(".")[0]
        if level or not self._has(first):
            return builtins.__import__(name, of, local, fromlist or (), level)
        if fromlist:
            return builtins.__import__(f"{self.name}.{name}", of, local, fromlist)
        importlib.import_module(f"{self.name}.{name}")
        return sys.modules[f"{self.name}.{first}"]

    def _has(self, name: str) -> bool:
        """Whether the folder has a module or a package `name`. A folder without Python files is none."""
        if name not in self._is_own:
            place = self.folder / name
            self._is_own[name] = place.with_name(f"{name}.py").is_file() or any(place.glob("*.py"))
        return self._is_own[name]


class _Finder(MetaPathFinder):
    """Finds the modules of all folders; `folders` has each one's built-in names."""

    def __init__(self) -> None:
        self.folders: dict[str, dict[str, Any]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        names = self.folders.get(fullname.partition(".")[0])
        if names is None:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path, names)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, names: dict[str, Any]) -> None:
        super().__init__(fullname, path)
        self._names = names

    def set_data(self, path: str, data: Any, *, _mode: int = 0) -> None:
        """Write no bytecode: the folder may be read-only, and is to stay as it is."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self._names  # its functions find `__import__` here, whenever they are called
        super().exec_module(module)


_FINDER = _Finder()
