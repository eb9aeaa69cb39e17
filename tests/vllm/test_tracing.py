"""Seed 000's tracing on real vLLM: its README, and what it prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from trained import PING, answer_to

from tests.examples import running

pytestmark = pytest.mark.vllm


def test_its_readme_prints_what_it_says(tmp_path: Path) -> None:
    with running("tracing", tmp_path / "log", PYTHONUNBUFFERED="1") as example:
        assert json.loads(example.answer())["choices"][0]["message"]["content"] == answer_to(PING)
        printed = re.findall(r"^\[TRACE\].*$", example.output, re.MULTILINE)
    assert printed[0] == "[TRACE] Start: my-request"
    assert re.fullmatch(r"\[TRACE\] End: my-request \(duration: \d+\.\d{3}s\)", printed[1])
