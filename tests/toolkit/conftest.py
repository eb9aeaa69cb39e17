"""User programs find nothing of others in the interpreter, and leave nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _interpreter(tmp_path: Path) -> Iterator[None]:
    sys.modules.pop("model", None)  # another test's
    path, writes_no_bytecode, modules = list(sys.path), sys.dont_write_bytecode, set(sys.modules)
    yield
    sys.path[:], sys.dont_write_bytecode = path, writes_no_bytecode
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
