"""The example `adapter_code` on the echo engine: every request of its README, in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.examples import EXAMPLES, Example, commands

pytestmark = pytest.mark.slow

README = EXAMPLES / "adapter_code" / "README.md"


def told(example: Example) -> list[str]:
    """The answers to the README's requests."""
    answers = []
    for command in commands(README)[1:]:
        example.ask = command
        answers.append(example.answer())
    return answers


def test_its_readme(tmp_path: Path) -> None:
    example = Example(README, tmp_path / "log", "--engine", "echo")
    try:
        plain, registered, pirate, streamed, unregistered = told(example.ready())
    finally:
        assert example.stop() == 0
    question = "What does /ping do?"
    assert json.loads(plain)["choices"][0]["message"]["content"] == question
    assert (registered, unregistered) == ("Adapter pirate registered", "Adapter pirate unregistered")
    assert json.loads(pirate) == {"answer": question, "by": "the pirate"}
    *events, last = streamed.strip().split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert ("".join(chunk["answer"] for chunk in chunks), last) == (question, "data: [DONE]")
