"""The example `billing` on real vLLM: what it bills is what vLLM counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from trained import PING, answer_to, user

from tests.examples import Example, running
from tests.servers import eventually

pytestmark = pytest.mark.vllm

KEY = {"X-API-Key": "demo-pro-key"}
CHAT = {"messages": [user(PING)], "temperature": 0}
LONG = {**CHAT, "stream": True, "max_tokens": 900, "ignore_eos": True}


@pytest.fixture(scope="module")
def billing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    folder = tmp_path_factory.mktemp("billing")
    with running("billing", folder / "log", BILLING_DATABASE=str(folder / "ledger.sqlite3")) as example:
        yield example


def ask(example: Example, body: dict[str, Any], headers: dict[str, str] = KEY) -> httpx.Response:
    return httpx.post(f"{example.url}/invocations", json=body, headers=headers, timeout=60, trust_env=False)


def latest(example: Example) -> dict[str, Any]:
    entry = ask(example, {"report": "requests"}).json()["requests"][0]
    assert isinstance(entry, dict)
    return entry


def test_its_readme(billing: Example) -> None:
    assert json.loads(billing.answer())["choices"][0]["message"]["content"] == answer_to(PING)


def test_a_request_is_billed_with_what_vllm_counts_streamed_or_not(billing: Example) -> None:
    """The stream's own last chunk of usage is not the client's, who did not ask for it."""
    whole = ask(billing, CHAT).json()
    counted = {name: whole["usage"][name] for name in ("prompt_tokens", "completion_tokens")}
    assert latest(billing).items() >= counted.items()
    streamed = ask(billing, {**CHAT, "stream": True})
    events = [event.removeprefix("data: ") for event in streamed.text.strip().split("\n\n")]
    deltas = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]]
    assert ("".join(deltas), events[-1]) == (answer_to(PING), "[DONE]")
    assert latest(billing).items() >= {**counted, "outcome": "answered"}.items()


def test_a_client_that_leaves_a_stream_is_billed_for_what_was_produced(billing: Example) -> None:
    """At least for what it had seen, and not for what would have come."""
    with httpx.stream(
        "POST", f"{billing.url}/invocations", json=LONG, headers=KEY, timeout=60, trust_env=False
    ) as answer:
        events = (event for event in answer.iter_lines() if event)
        seen = [json.loads(next(events).removeprefix("data: ")) for _ in range(20)]
    eventually(lambda: latest(billing)["outcome"] == "left", "the ledger to say so")
    entry = latest(billing)
    assert entry["prompt_tokens"] == seen[-1]["usage"]["prompt_tokens"]
    assert seen[-1]["usage"]["completion_tokens"] <= entry["completion_tokens"] < 900


def test_a_stranger_is_not_served(billing: Example) -> None:
    assert ask(billing, CHAT, {}).status_code == 401
    batch = {"messages": [[user(PING)]]}
    url = f"{billing.url}/v1/chat/completions/batch"
    assert httpx.post(url, json=batch, headers=KEY, trust_env=False).status_code == 404
