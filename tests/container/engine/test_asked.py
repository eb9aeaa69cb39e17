"""What one request may ask of an engine by the fields of its body."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from handrail_container.engine.asked import MOST_ITEMS, require_parsable, require_within_bounds
from handrail_container.engine.grammars import RequestBounds, TooMuchAsked
from handrail_container.http.json_bounds import JsonBounds

BOUNDS = RequestBounds(grammar=1000, answers=8, repeated=1_500_000)
CHAT = [{"role": "user", "content": "hi"}]
SCHEMA = {"json": {"properties": {f"p{i}": {"type": "string", "description": "d" * 50} for i in range(40)}}}


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
        ({"prompt": ["hi" * 3_000] * 10, "prompt_logprobs": 20}, "1,261,848 for 10 prompts together"),
        ({"prompt": [[1] * 60_000] * 2, "echo": True, "logprobs": 1}, "log probabilities of prompts"),
        ({"prompt": "hi" * 3_000, "n": 5, "prompt_logprobs": 20}, "630,840 for 1 prompts together"),
        ({"messages": [{"content": "hi" * 15_000}], "prompt_logprobs": 20}, "log probabilities of prompts"),
        ({"prompt": "hi" * 300_000, "prompt_logprobs": -1}, "log probabilities of prompts are 1,200,016"),
        ({"prompt": ["hi"] * 3_000}, "3,000 prompts with 1 answers each repeat 3,000,000 characters"),
        ({"messages": [CHAT] * 3_000}, "HANDRAIL_MAX_REPEATED_CHARS allows 1,500,000: ask in several requests"),
        ({"messages": [CHAT] * 300, "structured_outputs": {"regex": "a" * 1_000}}, "HANDRAIL_MAX_REPEATED_CHARS"),
        ({"messages": [CHAT] * 300, "bad_words": ["a"] * 30}, "'bad_words' are 9,000"),
        ({"query": "a", "items": ["b"] * 9_000}, "9,000 prompts"),
        ({"query": "a", "documents": [{"content": []}] * 9_000}, "9,000 prompts"),
        ({"query": "a" * 500_000, "documents": ["b"] * 500}, "500 prompts with 1 answers each repeat 31,"),
        ({"text_1": "a", "text_2": ["b"] * 9_000}, "9,000 prompts"),
        ({"input": [[1], [2]] * 4_500}, "9,000 prompts"),
        ({"what_comes_next": ["b"] * 9_000}, "9,000 prompts"),
        ({"state": {}, "questions": {str(k): {"type": "choice"} for k in range(9_000)}}, "9,000 prompts"),
        ({"prompt": ["hi"] * 1_000, "allowed_token_ids": [5] * 300}, "HANDRAIL_MAX_REPEATED_CHARS"),
        ({"prompt": ["hi"] * 1_000, "kv_transfer_params": {str(k): k for k in range(300)}}, "MAX_REPEATED_CHARS"),
        ({"prompt": ["hi"] * 1_000, "what_comes_next": {"a": [{"b": "c" * 1_000}]}}, "HANDRAIL_MAX_REPEATED_CHARS"),
        ({"prompt": ["hi"] * 400, "use_beam_search": True}, "400 prompts with 1 answers each repeat 3,"),
        ({"prompt": ["hi"] * 100, "n": 8, "use_beam_search": True}, "HANDRAIL_MAX_N"),
        (
            {"prompt": "hi", "n": 8, "vllm_xargs": {str(k): "v" * 20 for k in range(9_000)}},
            "HANDRAIL_MAX_REPEATED_CHARS",
        ),
        ({"prompt": "hi", "what_comes_next": {"a": {str(k): k for k in range(MOST_ITEMS + 1)}}}, "has 10,001 items"),
        ({"prompt": "hi", "allowed_token_ids": [5] * 300_000}, "'allowed_token_ids' has 300,000 items"),
        ({"prompt": "hi", "sampling_params": {"a": [[1] * (MOST_ITEMS + 1)]}}, "'sampling_params' has 10,001"),
        (
            {"messages": [], "chat_template_kwargs": {"padding": "max_length", "max_length": 9}},
            "max_length, padding",
        ),
    ],
)
def test_what_is_more_than_an_honest_client_asks_for_is_400(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(TooMuchAsked, match=words) as refused:
        require_within_bounds(SimpleNamespace(**asked), asked, BOUNDS)
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
        {"prompt": ["hi"] * 100, "structured_outputs": None, "response_format": {"type": "text"}},
        {"messages": [CHAT] * 800, "temperature": 0.5, "seed": 7},
        {"messages": [CHAT] * 20, "structured_outputs": SCHEMA},
        {"messages": CHAT * 500, "tools": [{"function": {"name": "f", "parameters": SCHEMA}}] * 60, "n": 8},
        {"messages": CHAT, "logit_bias": {str(k): 1.5 for k in range(5_000)}, "stop": ["a", "b"], "n": 2},
        {"prompt": "hi", "allowed_token_ids": [*range(100_000)]},
        {"prompt": "hi", "kv_transfer_params": {"remote_block_ids": [*range(60_000)]}},
        {"input": [{"role": "user", "content": "hi"}] * 3_000, "include": ["a"]},
        {"prompt": "hi", "structured_outputs": {"choice": [str(k) for k in range(20_000)]}},
        {"query": "a" * 3_000, "documents": ["b"] * 1_000},
        {"query": [1], "items": [[2], [3]], "label_token_ids": [1, 2]},
        {"questions": {}, "tokens": [1] * 50_000},
        {"prompt": None, "prompt_logprobs": 1, "chat_template_kwargs": {"enable_thinking": False}},
    ],
)
def test_what_an_honest_client_asks_for_passes(asked: dict[str, Any]) -> None:
    require_within_bounds(SimpleNamespace(**asked), asked, BOUNDS)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"top_k": 2**64}, "'top_k' has 18446744073709551616, a number of more than 64 bits"),
        ({"length_penalty": -1e308}, "'length_penalty' has -1e\\+308"),
        ({"repetition_detection": {"min_count": 10**30}}, "'repetition_detection' has 1000"),
        ({"stop_token_ids": [2**63]}, "'stop_token_ids' has"),
        ({"logit_bias": {str(2**61 * 9): 1}}, "'logit_bias' has the key '20752587082923245568'"),
        ({"logit_bias": {"1_000_000_000_000_000": 1}}, "'logit_bias' has the key"),
        ({"bad_words": ["\ud800"]}, "'bad_words' has half of a surrogate pair"),
        ({"session_id": "\ud800"}, "'session_id' has half"),
        ({"vllm_xargs": {"\ud800": 1}}, "'vllm_xargs' has half"),
        ({"kv_transfer_params": {"a": "\ud800"}}, "'kv_transfer_params' has half"),
    ],
)
def test_what_no_engine_can_take_is_the_clients_fault(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(TooMuchAsked, match=words):
        require_within_bounds(SimpleNamespace(), {"prompt": "hi", **fields}, BOUNDS)


@pytest.mark.parametrize(
    "body",
    [
        {"seed": 2**63 - 1, "temperature": 0.0, "user": "Zo\u00eb", "stream": True, "stop": None},
        {
            "tools": [{"maximum": 1.8e308, "minimum": -(2**70)}],
            "response_format": {"json_schema": {"schema": {"a": 2**70}}},
        },
        {
            "messages": [
                {"content": "\ud800"},
                7,
                {"tool_calls": [7, {"function": 7}, {"function": {"arguments": "{}"}}]},
            ]
        },
        {"messages": 7},
        [7],
    ],
)
def test_what_an_engine_can_take_is_left_to_it(body: Any) -> None:
    require_within_bounds(SimpleNamespace(), body, BOUNDS)


def calls(arguments: Any, times: int = 1) -> list[dict[str, Any]]:
    return [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}] * times}]


JSON = JsonBounds(values=11_000, objects=5_000, depth=300)
PARTS: list[tuple[Any, int, str]] = [
    ('{"a":' + "[" * 201 + "]" * 201 + "}", 1, "brackets more than 200 deep"),
    ('{"a":' + "9" * 400 + "}", 1, "a number of 400 digits or more"),
    ('{"a":' + "1" * 200 + "." + "9" * 200 + "}", 1, "a number of 400 digits or more"),
    (" " * 9 + "-" + "9" * 5_000, 1, "a number of 400 digits or more"),
    ("9" * 70_000 + ".5", 1, "a number of 400 digits or more"),
    ('{"a":[{},{}]}', 1_300, "5,\\d+ objects and arrays or more, and HANDRAIL_MAX_JSON_OBJECTS allows 5,000"),
    ('{"a":[0,1,2,3]}', 2_000, "HANDRAIL_MAX_JSON_VALUES allows 11,000"),
    ('{"a":[' + "{}," * 5_100 + "{}]}", 1, "HANDRAIL_MAX_JSON_OBJECTS"),
]


@pytest.mark.parametrize(("arguments", "times", "words"), PARTS)
def test_the_arguments_of_all_tool_calls_are_bounded_together(arguments: str, times: int, words: str) -> None:
    """Wherever an API has them."""
    messages = calls(arguments, times)
    items = [{"type": "function_call", "arguments": arguments}] * times
    one_by_one = [message for _ in range(times) for message in calls(arguments)]
    for body in ({"messages": messages}, {"messages": [messages]}, {"messages": one_by_one}, {"input": items}):
        with pytest.raises(TooMuchAsked, match=f"the 'arguments' of tool calls, JSON in strings, have .*{words}"):
            require_parsable(body, JSON)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": calls('{"a": [1, 2, {"b": null}]}', 500)},
        {"messages": calls('"' + "9" * 5_000 + '"')},
        {"messages": calls("\ud800 no JSON" * 1_000)},
        {"messages": calls({"a": 1}) + calls(None) + calls("") + calls("{}")},
        {"messages": calls('{"a":' + "[" * 199 + "]" * 199 + "}", 20)},
        {"messages": calls("-" + "1" * 399)},
        {"messages": calls("1" * 300 + " no JSON" * 20)},
        {"messages": 7, "tools": [{"arguments": 7}, "arguments"]},
        ["arguments"],
        7,
    ],
)
def test_arguments_that_an_engine_parses_at_once_pass(body: Any) -> None:
    require_parsable(body, JSON)
