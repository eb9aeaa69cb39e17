"""The example `fallback` on real vLLM, with a review service that is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from trained import EXIT_3, PING, answer_to, user

from tests.examples import EXAMPLES, Example, running
from tests.servers import free_port

pytestmark = pytest.mark.vllm

PORT = free_port()


@pytest.fixture(scope="module")
def reviewer() -> Iterator[subprocess.Popen[bytes]]:
    """It listens long before the engine is ready."""
    command = [sys.executable, str(EXAMPLES / "fallback" / "review_service.py"), str(PORT)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def fallback(tmp_path_factory: pytest.TempPathFactory, reviewer: object) -> Iterator[Example]:
    url = f"http://127.0.0.1:{PORT}"
    with running("fallback", tmp_path_factory.mktemp("fallback") / "log", TRUSS_SECRET_review_url=url) as example:
        yield example


def ask(example: Example, question: str) -> tuple[str, str]:
    body = {"messages": [user(question)], "temperature": 0}
    answer = httpx.post(f"{example.url}/predict", json=body, timeout=60, trust_env=False).json()
    return answer["choices"][0]["message"]["content"], answer["source"]


def test_its_readme(fallback: Example) -> None:
    answer = json.loads(fallback.answer())
    assert (answer["choices"][0]["message"]["content"], answer["source"]) == (answer_to(PING), "engine")


def test_what_was_generated_is_rewritten(fallback: Example) -> None:
    expected = answer_to(EXIT_3).replace("Exit code 3", "Exit status 3")
    assert ask(fallback, EXIT_3) == (expected, "engine")


def test_while_the_service_is_down_there_is_an_answer(fallback: Example, reviewer: subprocess.Popen[bytes]) -> None:
    """A refusal comes from the service; a rule needs none."""
    assert ask(fallback, "a secret")[1] == "review"
    reviewer.kill()
    reviewer.wait()
    assert ask(fallback, PING) == ("We cannot review our answers right now. Please try again in a minute.", "fallback")
    assert ask(fallback, "my invoice")[1] == "rule"
