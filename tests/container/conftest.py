from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import environment


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of ours but those a test sets."""
    for name in os.environ.keys() - environment({}).keys():
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _forget_user_programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test loads into this process is gone after it: its path entries and the modules found by them."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if name.partition(".")[0] == "model" or name.startswith("_handrail_"):
            del sys.modules[name]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A model directory with weights, as far as can be told without loading them."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    return tmp_path
