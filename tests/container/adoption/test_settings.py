"""The settings of scripts that build an engine of their own."""

from __future__ import annotations

import pytest
from handrail_container.process.exits import SettingsError
from handrail_container.settings import environment


def test_arguments_that_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_ADOPT_DROP", " quantization, dtype ,")
    assert environment.read().dropped_arguments == {"quantization", "dtype"}


def test_a_command_line_that_cannot_be_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_SCRIPT_ARGS", "--name 'my bot")
    with pytest.raises(SettingsError, match=r"No closing quotation. Write it"):
        environment.read()
