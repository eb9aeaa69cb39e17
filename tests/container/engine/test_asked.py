"""What one request may ask of an engine by the fields of its body."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from handrail_container.engine.asked import MOST_ITEMS, require_modest
from handrail_container.engine.grammars import TooMuchAsked


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"prompt": ["hi"] * 3, "n": 3}, "n is 3 for 3 prompts, 9 answers together, and HANDRAIL_MAX_N allows 8"),
        ({"prompt": [[1, 2], [3]], "n": 5}, "HANDRAIL_MAX_N allows 8"),
        ({"prompt": "hi", "n": 9}, "n is 9 for 1 prompts"),
        ({"messages": [], "n": 9}, "HANDRAIL_MAX_N allows 8"),
        (
            {"prompt": "hi", "logit_bias": dict.fromkeys(map(str, range(MOST_ITEMS + 1)), 1.0)},
            "'logit_bias' has 10,001",
        ),
        ({"prompt": "hi", "stop_token_ids": [1] * (MOST_ITEMS + 1)}, "'stop_token_ids'"),
        ({"prompt": "hi", "vllm_xargs": dict.fromkeys(map(str, range(MOST_ITEMS + 1)))}, "'vllm_xargs'"),
    ],
)
def test_what_is_more_than_an_honest_client_asks_for_is_400(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(TooMuchAsked, match=words) as refused:
        require_modest(SimpleNamespace(**asked), 8)
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt": ["hi"] * 1000},
        {"prompt": [1, 2, 3], "n": 8},
        {"prompt": [], "n": 8},
        {"prompt": ["hi"] * 4, "n": 2, "stop": "a stop", "logit_bias": {"1": 1}, "stop_token_ids": None},
        {"input": ["hi"] * 1000},
    ],
)
def test_what_an_honest_client_asks_for_passes(asked: dict[str, Any]) -> None:
    require_modest(SimpleNamespace(**asked), 8)
