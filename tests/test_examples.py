"""Each example, by its README, on the echo engine; on real vLLM they are run in tests/vllm."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples import EXAMPLES, NAMES, Example, commands

#: Calls vLLM itself, so it runs in the vllm tier only.
NEEDS_VLLM = {"rag"}
#: Has more to show; its own test runs the rest.
GOES_ON = {"lora"}


@pytest.mark.parametrize("name", sorted(set(NAMES) - NEEDS_VLLM))
def test_an_example_answers_what_its_readme_asks(name: str, tmp_path: Path) -> None:
    """The echo engine says the question back."""
    example = Example(EXAMPLES / name / "README.md", tmp_path / "log", "--engine", "echo")
    try:
        assert "What does /ping do?" in example.ready().answer()
    finally:
        assert example.stop() == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_readme_has_one_run_and_one_request(name: str) -> None:
    run, ask, *more = commands(EXAMPLES / name / "README.md")
    assert not more or name in GOES_ON
    assert f"scripts/serve examples/{name}" in run
    assert ask.startswith("curl http://127.0.0.1:8080/invocations")
