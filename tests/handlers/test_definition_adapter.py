"""The adapters that need no file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from handrail.styles.definition.adapter import BUILT_IN, AdapterFailed, ModelInfo

INFO: ModelInfo = {"model_key": "m", "modality": "text", "task": "chat_completion"}
IDENTITIES = [f"latticeflow$identity{suffix}" for suffix in ("", "_chat_completion", "_embeddings", "_custom")]
OPENAI = BUILT_IN["latticeflow$openai_chat_completion"]


def test_the_names_are_known() -> None:
    assert set(BUILT_IN) == {*IDENTITIES, OPENAI.key}


@pytest.mark.parametrize("key", IDENTITIES)
def test_the_identity_changes_nothing(key: str) -> None:
    value = {"messages": [{"role": "user", "content": "ü", "x": [1.5]}]}
    assert json.loads(BUILT_IN[key].process_input(value, {}, INFO)) == value
    assert BUILT_IN[key].process_output(" as it is", 200, INFO) == " as it is"


def test_openais_input_has_the_model_and_everything_asked_for() -> None:
    """Further keys of messages stay; what a chat does not name is not there."""
    messages = [{"role": "user", "content": "hi", "conversation_id": "c"}]
    value = {"messages": messages, "temperature": 0}
    assert json.loads(OPENAI.process_input(value, {"temperature": 0}, INFO)) == {"model": "m", **value}
    value |= {"response_format": {"type": "text"}}
    assert json.loads(OPENAI.process_input(value, {}, INFO))["response_format"] == {"type": "text"}


@pytest.mark.parametrize(
    ("answer", "canonical"),
    [
        (
            {
                "id": "1",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "a", "refusal": None, "x": 1}, "y": 2}
                ],
                "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
            },
            {
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "a", "x": 1}, "y": 2}],
                "usage": {"num_prompt_tokens": 1, "num_completion_tokens": 2},
            },
        ),
        (
            {"choices": [{"message": {"role": "assistant", "content": None, "refusal": "no"}}], "usage": None},
            {"choices": [{"message": {"role": "assistant", "content": "", "refusal": "no"}}]},
        ),
        ({"choices": [1, {"text": "a"}]}, {"choices": [1, {"text": "a"}]}),
    ],
)
def test_openais_output_becomes_canonical(answer: Any, canonical: Any) -> None:
    """A refusal stays one; what is no choice is left to who checks the result."""
    assert json.loads(OPENAI.process_output(json.dumps(answer), 200, INFO)) == canonical


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no", "what run_inference returned is not JSON: "),
        ("[]", "is no chat completion: it is a list"),
        ('{"error": 1}', "is no chat completion: it has no list `choices`, but 'error'"),
        ("{}", "but nothing"),
    ],
)
def test_what_is_no_chat_completion(text: str, said: str) -> None:
    with pytest.raises(AdapterFailed) as failed:
        OPENAI.process_output(text, 200, INFO)
    assert said in str(failed.value)
    assert str(failed.value).startswith(OPENAI.key)
