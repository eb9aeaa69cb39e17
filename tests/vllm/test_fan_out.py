"""Seed 000's fan-out Model on real vLLM, as its README runs it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.examples import EXAMPLES, Example
from tests.servers import eventually

pytestmark = pytest.mark.vllm

QUESTIONS = ["What does /ping do?", "What does exit code 3 mean?"]
ANSWERS = ["It answers 200 when", "Exit code 3 means that"]


@pytest.fixture(scope="module")
def fan_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    example = Example(EXAMPLES / "fan_out" / "README.md", tmp_path_factory.mktemp("fan_out") / "log")
    try:
        yield example.ready()
    finally:
        assert example.stop() == 0


def ask(example: Example, count: int, timeout: float = 120, **more: object) -> httpx.Response:
    suffixes = [[{"role": "user", "content": QUESTIONS[i % 2]}] for i in range(count)]
    body = {"messages": [], "suffix_messages": suffixes, "temperature": 0, **more}
    headers = {"X-Request-Id": "the same for all"}
    return httpx.post(f"{example.url}/predict", json=body, headers=headers, timeout=timeout, trust_env=False)


@pytest.mark.parametrize("count", [4, 256])
def test_each_choice_answers_its_own_suffix(fan_out: Example, count: int) -> None:
    """Under one request id, and with a model's name that nobody serves."""
    choices = ask(fan_out, count, model="any").json()["choices"]
    assert [choice["index"] for choice in choices] == list(range(count))
    assert all(choice["message"]["content"].startswith(ANSWERS[i % 2]) for i, choice in enumerate(choices))


def test_a_client_that_leaves_leaves_nothing_running(fan_out: Example) -> None:
    with pytest.raises(httpx.TimeoutException):
        ask(fan_out, 64, timeout=1, max_tokens=400, ignore_eos=True)
    time.sleep(0.5)  # vLLM writes its metrics now and then

    def is_idle() -> bool:
        metrics = httpx.get(f"{fan_out.url}/metrics", trust_env=False).text
        lines = [line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running{")]
        return len(lines) == 1 and lines[0].endswith(" 0.0")

    eventually(is_idle, "the engine to be idle")
