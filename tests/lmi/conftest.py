"""User programs leave nothing behind in the interpreter, the stand-in for their package included."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interpreter import user_programs_forgotten


@pytest.fixture(autouse=True)
def _interpreter(tmp_path: Path) -> Iterator[None]:
    with user_programs_forgotten(tmp_path):
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "djl_python"]:
        del sys.modules[name]
