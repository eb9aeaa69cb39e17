"""User programs leave nothing behind in the interpreter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interpreter import user_programs_forgotten


@pytest.fixture(autouse=True)
def _interpreter(tmp_path: Path) -> Iterator[None]:
    with user_programs_forgotten(tmp_path):
        yield
