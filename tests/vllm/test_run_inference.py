"""Seed 002's definition and snippet, but for the address word for word, on real vLLM as its example runs it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.examples import EXAMPLES, Example

pytestmark = pytest.mark.vllm

PING = "It answers 200 when the server is ready and 503 when it is not."


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    made = Example(EXAMPLES / "run_inference" / "README.md", tmp_path_factory.mktemp("run_inference") / "log")
    try:
        yield made.ready()
    finally:
        assert made.stop() == 0


def ask(example: Example, **more: object) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": "What does /ping do?"}], "temperature": 0, **more}
    return httpx.post(f"{example.url}/invocations", json=body, timeout=60, trust_env=False)


def test_the_answer_is_canonical(example: Example) -> None:
    answer = ask(example).json()
    assert set(answer) == {"choices", "usage"}
    (choice,) = answer["choices"]
    assert (choice["message"]["role"], choice["message"]["content"]) == ("assistant", PING)
    assert set(answer["usage"]) == {"num_prompt_tokens", "num_completion_tokens"}


def test_more_requests_than_workers_end(example: Example) -> None:
    """Each worker waits for the server that waits for it."""
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: ask(example).json()["choices"][0]["message"]["content"], range(12)))
    assert answers == [PING] * 12


def test_vllms_own_refusal_is_an_upstream_error(example: Example) -> None:
    answer = ask(example, temperature="hot")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["upstream_status"]) == (502, "upstream_error", 400)
