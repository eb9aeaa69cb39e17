"""How many log probabilities a request asks for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from handrail_container.engine.asked import require_within_bounds
from handrail_container.engine.grammars import (
    RequestBounds,
    TooMuchAsked,
    require_few_logprobs,
    without_prompt_logprobs,
)
from handrail_container.engine.log_probabilities import of_answer, of_prompt

INCLUDED = ["message.output_text.logprobs"]


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 0),
        ({"max_tokens": 10, "logprobs": None, "n": 5}, 0),
        ({"max_tokens": 10, "logprobs": False, "top_logprobs": 20}, 0),
        ({"max_tokens": 10, "logprobs": True}, 10),
        ({"max_tokens": 10, "logprobs": True, "top_logprobs": 4, "n": 3}, 150),
        ({"max_tokens": 10, "logprobs": 0, "n": None}, 10),
        ({"max_tokens": 10, "logprobs": 4}, 50),
        ({"max_tokens": 0, "logprobs": 4}, 0),
        ({"max_tokens": None, "logprobs": 4}, 20_480),
        ({"max_tokens": 10, "max_completion_tokens": 20, "logprobs": True, "top_logprobs": 4}, 100),
        ({"max_tokens": 10, "logprobs": -1}, 500_010),
        ({"max_tokens": 10, "logprobs": True, "logprob_token_ids": [1, 2, 3]}, 40),
        ({"max_tokens": 10, "logprobs": True, "top_logprobs": 4, "stream": True}, 25),
        ({"max_output_tokens": 10, "include": INCLUDED, "top_logprobs": 4}, 50),
        ({"max_output_tokens": 10, "include": INCLUDED, "top_logprobs": 4, "stream": True}, 50),
        ({"max_output_tokens": 10, "include": None, "top_logprobs": 4}, 0),
    ],
)
def test_an_answer_has_as_many_as_its_tokens_times_the_alternatives(asked: dict[str, Any], count: int) -> None:
    assert of_answer(SimpleNamespace(**asked)) == count


@pytest.mark.parametrize(
    ("params", "count"),
    [({}, 0), ({"prompt_logprobs": 0}, 7), ({"prompt_logprobs": 4, "n": 2}, 70), ({"prompt_logprobs": -1}, 350_007)],
)
def test_a_prompt_has_as_many_as_its_tokens_times_the_alternatives(params: dict[str, Any], count: int) -> None:
    assert of_prompt(SimpleNamespace(**params), 7) == count


def test_those_of_a_prompt_are_bounded() -> None:
    require_few_logprobs(10, 10)
    with pytest.raises(
        TooMuchAsked, match="the prompt has 1,100 log probabilities, and HANDRAIL_MAX_LOGPROBS allows 1"
    ):
        require_few_logprobs(1_100, 1_000)


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"prompt": ["hi"] * 10, "max_tokens": 100, "logprobs": 20, "n": 5}, "105,000"),
        ({"prompt": "hi", "max_tokens": 400, "logprobs": 20, "n": 100}, "840,000"),
        ({"messages": [], "logprobs": True, "top_logprobs": 20, "n": 2}, "172,032"),
        ({"messages": [], "logprobs": True, "top_logprobs": 20, "n": 3, "stream": True}, "129,024"),
        ({"messages": [[{}]] * 30, "logprobs": True, "top_logprobs": 20, "max_tokens": 400}, "252,000"),
    ],
)
def test_more_than_are_allowed_are_400(asked: dict[str, Any], count: str) -> None:
    with pytest.raises(TooMuchAsked, match=f"{count} log probabilities .* HANDRAIL_MAX_LOGPROBS allows 100,000"):
        require_within_bounds(SimpleNamespace(**asked), asked, RequestBounds(logprobs=100_000))


@pytest.mark.parametrize(
    "asked",
    [
        {"messages": [], "logprobs": True, "top_logprobs": 20, "max_tokens": 4_096},
        {"messages": [], "logprobs": True, "top_logprobs": 20},
        {"messages": [], "logprobs": True, "top_logprobs": 5, "n": 4},
        {"messages": [], "logprobs": True, "top_logprobs": 20, "n": 2, "stream": True},
        {"prompt": ["hi"] * 100, "max_tokens": 16, "logprobs": 5, "n": 10},
    ],
)
def test_what_evaluations_ask_for_is_let_through(asked: dict[str, Any]) -> None:
    require_within_bounds(SimpleNamespace(**asked), asked, RequestBounds(logprobs=100_000))


def test_those_of_a_prompt_are_refused_where_the_engine_would_die_of_them() -> None:
    for plain in (SimpleNamespace(prompt_logprobs=None), SimpleNamespace()):
        assert without_prompt_logprobs(plain) is plain
    echoed = SimpleNamespace(prompt_logprobs=0, logprobs=None)
    echoed.clone = lambda: SimpleNamespace(**vars(echoed))
    assert without_prompt_logprobs(echoed).prompt_logprobs is None
    assert echoed.prompt_logprobs == 0
    with pytest.raises(TooMuchAsked, match=r"vLLM does not give them on a CPU with LoRA \(SM_VLLM_ENABLE_LORA\)"):
        without_prompt_logprobs(SimpleNamespace(prompt_logprobs=0, logprobs=2))
