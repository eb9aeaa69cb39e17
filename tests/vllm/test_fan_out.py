"""Seed 000's fan-out Model on real vLLM, as its README runs it: what it promises, seen from outside."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import httpx
import pytest
from trained import EXIT_3, PING, answer_to, conversation, user

from tests.examples import Example, running
from tests.servers import eventually

pytestmark = pytest.mark.vllm

QUESTIONS = [PING, EXIT_3]
BLOCK = 32  # tokens; vLLM's own choice on a CPU is 128, of which a short prompt fills none


class Metrics(NamedTuple):
    """vLLM's, as `/metrics` has them."""

    running: int
    finished: int
    cached: int


@pytest.fixture(scope="module")
def fan_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    log = tmp_path_factory.mktemp("fan_out") / "log"
    given = {"SM_VLLM_BLOCK_SIZE": str(BLOCK), "PYTHONUNBUFFERED": "1", "HANDRAIL_MODEL_ROUTES": "engine"}
    with running("fan_out", log, **given) as example:
        yield example


def body_of(count: int, **more: object) -> dict[str, object]:
    suffixes = [[user(QUESTIONS[i % 2])] for i in range(count)]
    return {"messages": [], "suffix_messages": suffixes, "temperature": 0, **more}


def ask(example: Example, count: int, **more: object) -> Any:
    headers = {"X-Request-Id": "the same for all"}
    body = body_of(count, **more)
    return httpx.post(f"{example.url}/predict", json=body, headers=headers, timeout=120, trust_env=False).json()


def metrics(example: Example) -> Metrics:
    lines = httpx.get(f"{example.url}/metrics", trust_env=False).text.splitlines()

    def total(name: str) -> int:
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith(f"vllm:{name}{{")))

    return Metrics(total("num_requests_running"), total("request_success_total"), total("prefix_cache_hits_total"))


def watched(example: Example, count: int, **more: object) -> tuple[Any, list[Metrics]]:
    """The answer, and what the metrics said before and meanwhile, counted from before."""
    before = metrics(example)
    seen = [before]
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, example, count, **more)
        while not asking.done():
            seen.append(metrics(example))
    seen.append(metrics(example))
    since = [Metrics(now.running, now.finished - before.finished, now.cached - before.cached) for now in seen]
    return asking.result(), since


def test_its_readme(fan_out: Example) -> None:
    choices = json.loads(fan_out.answer())["choices"]
    assert [choice["message"]["content"] for choice in choices] == [answer_to(question) for question in QUESTIONS]


@pytest.mark.parametrize("count", [4, 256])
def test_each_choice_answers_its_own_suffix(fan_out: Example, count: int) -> None:
    """Under one request id, and with a model's name that nobody serves."""
    choices = ask(fan_out, count, model="any")["choices"]
    assert [choice["index"] for choice in choices] == list(range(count))
    answers = [answer_to(question) for question in QUESTIONS]
    assert all(choice["message"]["content"] == answers[i % 2] for i, choice in enumerate(choices))


def test_usage_is_summed_as_the_seed_does(fan_out: Example) -> None:
    """It counts the first generation twice."""
    url = f"{fan_out.url}/v1/completions"  # the engine's own: the Model has no such method
    texts = [f"<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n" for q in QUESTIONS]
    asked = [{"prompt": text, "temperature": 0, "max_tokens": 100} for text in texts]
    first, second = (httpx.post(url, json=body, timeout=60, trust_env=False).json()["usage"] for body in asked)
    usage = ask(fan_out, 4)["usage"]
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert usage[name] == 3 * first[name] + 2 * second[name]


def test_the_first_generation_ends_before_the_rest_begin(fan_out: Example) -> None:
    """As vLLM counts: one runs alone until it has finished, then several at once."""
    _, seen = watched(fan_out, 6, max_tokens=200, ignore_eos=True)
    alone = [now.running for now in seen if now.finished == 0]
    together = [now.running for now in seen if now.finished >= 1]
    assert max(alone) == 1
    assert max(together) == 5
    assert seen[-1].finished == 6


def test_the_rest_find_their_beginning_in_the_prefix_cache(fan_out: Example) -> None:
    """Each all of its whole blocks of it; the first finds nothing, and all have the right answer."""
    shared = conversation(8)
    asked = {"messages": shared, "add_generation_prompt": False}
    length = httpx.post(f"{fan_out.url}/tokenize", json=asked, trust_env=False).json()["count"]
    assert length > 3 * BLOCK
    answer, seen = watched(fan_out, 6, messages=shared)
    assert [choice["message"]["content"] for choice in answer["choices"]] == [answer_to(q) for q in QUESTIONS] * 3
    assert {now.cached for now in seen if now.finished == 0} == {0}
    assert seen[-1].cached >= 5 * (length // BLOCK) * BLOCK


async def test_a_client_that_leaves_leaves_nothing_running(fan_out: Example) -> None:
    """Within two seconds, of many that run at once."""
    body = body_of(64, max_tokens=300, ignore_eos=True)
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        asking = asyncio.create_task(client.post(f"{fan_out.url}/predict", json=body))
        await asyncio.to_thread(eventually, lambda: metrics(fan_out).running > 8, "the rest to run")
        assert not asking.done()
        asking.cancel()
    left = time.monotonic()
    await asyncio.to_thread(eventually, lambda: metrics(fan_out).running == 0, "the engine to be idle")
    assert time.monotonic() - left < 2
