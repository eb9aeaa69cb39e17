"""What one request may ask of an engine by the fields of its body."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from handrail_container.engine.asked import MOST_ITEMS, require_modest
from handrail_container.engine.grammars import RequestBounds, TooMuchAsked
from pydantic import BaseModel

BOUNDS = RequestBounds(grammar=1000, answers=8)


class Outputs(BaseModel):
    json_schema: dict[str, str]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"prompt": ["hi"] * 3, "n": 3}, "n is 3, 9 answers for 3 prompts together, and HANDRAIL_MAX_N allows 8"),
        ({"prompt": [[1, 2], [3]], "n": 5}, "HANDRAIL_MAX_N allows 8"),
        ({"prompt": "hi", "n": 9}, "n is 9, 9 answers"),
        ({"messages": [], "n": 9}, "HANDRAIL_MAX_N allows 8"),
        (
            {"prompt": "hi", "logit_bias": dict.fromkeys(map(str, range(MOST_ITEMS + 1)), 1.0)},
            "'logit_bias' has 10,001",
        ),
        ({"prompt": "hi", "stop_token_ids": [1] * (MOST_ITEMS + 1)}, "'stop_token_ids'"),
        ({"prompt": "hi", "vllm_xargs": dict.fromkeys(map(str, range(MOST_ITEMS + 1)))}, "'vllm_xargs'"),
        ({"prompt": ["hi"] * 100, "bad_words": ["a"] * 30}, "'bad_words' are 3,000"),
        ({"prompt": "hi", "bad_words": ["a" * 60_000] * 2}, "'bad_words'"),
        ({"prompt": ["hi" * 3_000] * 10, "prompt_logprobs": 20}, "1,260,000 for 10 prompts together"),
        ({"prompt": [[1] * 60_000] * 2, "echo": True, "logprobs": 1}, "log probabilities of prompts"),
        ({"prompt": "hi" * 3_000, "n": 5, "prompt_logprobs": 20}, "630,000 for 1 prompts together"),
        ({"messages": [{"content": "hi" * 15_000}], "prompt_logprobs": 20}, "log probabilities of prompts"),
        ({"prompt": "hi" * 300_000, "prompt_logprobs": -1}, "log probabilities of prompts are 1,200,000"),
        ({"prompt": ["hi"] * 3, "structured_outputs": Outputs(json_schema={"a": "b" * 400})}, "HANDRAIL_MAX_GRAMMAR"),
        ({"prompt": ["hi"] * 3, "response_format": {"a": "b" * 400}}, "HANDRAIL_MAX_GRAMMAR_SIZE"),
        (
            {"messages": [], "chat_template_kwargs": {"padding": "max_length", "max_length": 9}},
            "max_length, padding",
        ),
    ],
)
def test_what_is_more_than_an_honest_client_asks_for_is_400(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(TooMuchAsked, match=words) as refused:
        require_modest(SimpleNamespace(**asked), BOUNDS)
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt": ["hi"] * 1000},
        {"prompt": [1, 2, 3], "n": 8},
        {"prompt": [], "n": 8},
        {"prompt": ["hi"] * 4, "n": 2, "stop": "a stop", "logit_bias": {"1": 1}, "stop_token_ids": None},
        {"input": ["hi"] * 1000},
        {"prompt": ["hi"] * 100, "bad_words": ["bad", "worse"], "echo": False, "logprobs": 5},
        {"prompt": "hi" * 5_000, "prompt_logprobs": 20},
        {"prompt": ["hi"] * 100, "echo": True, "logprobs": 5},
        {"prompt": ["hi"] * 3, "structured_outputs": Outputs(json_schema={"a": "b"}), "response_format": None},
        {"prompt": "hi", "structured_outputs": Outputs(json_schema={"a": "b" * 4000})},
        {"prompt": None, "prompt_logprobs": 1, "chat_template_kwargs": {"enable_thinking": False}},
    ],
)
def test_what_an_honest_client_asks_for_passes(asked: dict[str, Any]) -> None:
    require_modest(SimpleNamespace(**asked), BOUNDS)
