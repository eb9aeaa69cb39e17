"""What user programs change in the interpreter of the tests, put back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


@contextmanager
def user_programs_forgotten(folder: Path) -> Iterator[None]:
    """What is imported of `folder` meanwhile, and how, is gone afterwards; a library that is imported stays."""
    path, writes_no_bytecode, modules = list(sys.path), sys.dont_write_bytecode, set(sys.modules)
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, writes_no_bytecode
        for name in set(sys.modules) - modules:
            if lies_in(sys.modules[name], folder):
                del sys.modules[name]


def lies_in(module: ModuleType, folder: Path) -> bool:
    """A package without a file of its own has its folders."""
    names = getattr(module, "__dict__", {})  # no `__getattr__` of a user's module is run
    places = [names.get("__file__") or "", *names.get("__path__", [])]
    return any(Path(place).is_relative_to(folder) for place in places)
