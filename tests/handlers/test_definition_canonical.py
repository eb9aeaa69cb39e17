"""The canonical form, in and out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from handrail.styles.definition.canonical import NotCanonical, check_input, kwargs_of, read_output
from handrail.styles.definition.schema import Task

MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("task", "value"),
    [
        (Task.CHAT, {"messages": MESSAGES}),
        (Task.CHAT, {"messages": MESSAGES, "stream": False, "temperature": 0}),
        (Task.CHAT, {"messages": [{"role": "tool", "content": [{"type": "image_url"}], "more": 1}]}),
        (
            Task.CHAT,
            {"messages": [{"role": "assistant", "tool_calls": []}], "response_format": {"type": "json_object"}},
        ),
        (Task.EMBEDDINGS, ["a", "b"]),
        (Task.CUSTOM, None),
        (Task.CUSTOM, {"stream": True}),
    ],
)
def test_input_that_is_canonical(task: Task, value: Any) -> None:
    check_input(task, value)


@pytest.mark.parametrize(
    ("task", "value", "said"),
    [
        (Task.CHAT, [1], 'the body of a chat is {"messages": […]}, not [1]'),
        (Task.CHAT, None, "not null"),
        (Task.CHAT, {"prompt": "a"}, "`messages` is a list of at least one message, not null"),
        (Task.CHAT, {"messages": []}, "at least one message, not []"),
        (Task.CHAT, {"messages": {"a": 1}}, "not an object with 'a'"),
        (Task.CHAT, {"messages": [*MESSAGES, "hi"]}, 'messages[1] is {"role": …, "content": …}, not \'hi\''),
        (Task.CHAT, {"messages": [{"content": "hi"}]}, "messages[0] is"),
        (Task.CHAT, {"messages": [{}]}, "not an object with nothing in it"),
        (Task.CHAT, {"messages": MESSAGES, "stream": True}, "leave `stream` out"),
        (Task.EMBEDDINGS, [], "a list of strings, not []"),
        (Task.EMBEDDINGS, {"input": ["a"]}, "a list of strings, not an object with 'input'"),
        (Task.EMBEDDINGS, ["a", 1], "a list of strings"),
    ],
)
def test_input_that_is_not(task: Task, value: Any, said: str) -> None:
    with pytest.raises(NotCanonical) as refused:
        check_input(task, value)
    assert said in str(refused.value)


def test_what_a_chat_asks_for_besides_its_messages() -> None:
    body = {"messages": MESSAGES, "response_format": {}, "temperature": 0, "more": 1}
    assert kwargs_of(Task.CHAT, body) == {"temperature": 0, "more": 1}
    assert kwargs_of(Task.CUSTOM, body) == {}


def choice(message: Any, **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, **more}]}


@pytest.mark.parametrize(
    ("task", "value", "result"),
    [
        (Task.CHAT, choice({"role": "assistant", "content": "a", "x": 1}, index=0), ...),
        (Task.CHAT, {**choice({"role": "assistant", "content": "a"}), "usage": {"num_prompt_tokens": 1, "x": 2}}, ...),
        (Task.CHAT, {**choice({"role": "assistant", "content": "a"}), "usage": None}, ...),
        (Task.CHAT, choice({"role": "assistant", "content": "", "refusal": "no"}), ...),
        (Task.CHAT, {"items": [{"type": "message", "content": []}], "usage": {"num_completion_tokens": 1}}, ...),
        (Task.EMBEDDINGS, {"embeddings": [[1, 0.5], [0]]}, ...),
        (
            Task.CHAT,
            choice({"role": "assistant", "content": None, "refusal": "no"}),
            choice({"role": "assistant", "content": "", "refusal": "no"}),
        ),
        (
            Task.CHAT,
            {**choice({"role": "assistant", "content": "a"}), "usage": {"prompt_tokens": 1, "total_tokens": 1}},
            {**choice({"role": "assistant", "content": "a"}), "usage": {"num_prompt_tokens": 1}},
        ),
        (
            Task.CHAT,
            {"items": [{"type": "message"}], "usage": {"input_tokens": 1, "output_tokens": 2}},
            {"items": [{"type": "message"}], "usage": {"num_prompt_tokens": 1, "num_completion_tokens": 2}},
        ),
    ],
)
def test_output_that_is_canonical(task: Task, value: Any, result: Any) -> None:
    """As it is, but for `null` as content and other names of the usage."""
    assert read_output(task, json.dumps(value)) == (value if result is ... else result)


@pytest.mark.parametrize(
    ("task", "text", "said"),
    [
        (Task.CHAT, "hello", "it is not JSON: "),
        (Task.CHAT, '{"choices": NaN}', "it is not JSON: NaN is no JSON"),
        (Task.CHAT, '{"choices": 1e999}', "it is not JSON: 1e999 is too large a number"),
        (Task.CHAT, "[" * 100_000, "it is not JSON: "),
        (Task.CHAT, "[]", 'it is {"choices": […]} or {"items": […]}, not []'),
        (Task.CHAT, '{"error": "x"}', "it has neither `choices` nor `items`, but 'error'"),
        (Task.CHAT, '{"choices": []}', "`choices` has at least one choice"),
        (Task.CHAT, '{"choices": [1]}', 'choices[0] is {"message": {"role": …, "content": …}}, not 1'),
        (Task.CHAT, '{"choices": [{"message": "a"}]}', "not an object with 'message'"),
        (Task.CHAT, json.dumps(choice({"content": "a"})), "choices[0] is"),
        (Task.CHAT, json.dumps(choice({"role": "assistant"})), "choices[0] is"),
        (Task.CHAT, json.dumps(choice({"role": "a", "content": 1})), "choices[0].message.content is a string, not 1"),
        (
            Task.CHAT,
            json.dumps(choice({"role": "a", "content": "", "refusal": 1})),
            "refusal is a string or null, not 1",
        ),
        (Task.CHAT, '{"items": []}', "`items` has at least one item"),
        (Task.CHAT, '{"items": [{"type": 5, "role": "a"}]}', 'items[0] is {"type": …}'),
        (Task.CHAT, '{"items": [{}]}', 'items[0] is {"type": …}'),
        (Task.CHAT, '{"items": [{"type": "message"}], "usage": 3}', "`usage` is an object, not 3"),
        (Task.EMBEDDINGS, "[[1]]", 'it is {"embeddings": [[…], …]}'),
        (Task.EMBEDDINGS, '{"embeddings": []}', "it is {"),
        (Task.EMBEDDINGS, '{"embeddings": [[1], [true]]}', "embeddings[1] is a list of numbers"),
        (Task.EMBEDDINGS, '{"embeddings": [1]}', "embeddings[0] is a list of numbers"),
    ],
)
def test_output_that_is_not(task: Task, text: str, said: str) -> None:
    with pytest.raises(NotCanonical) as refused:
        read_output(task, text)
    assert said in str(refused.value)


def test_an_item_may_leave_out_its_type() -> None:
    """As pydantic models that leave out defaults write themselves."""
    value = {"items": [{"role": "assistant", "content": [{"text": "hello"}]}]}
    assert read_output(Task.CHAT, json.dumps(value)) == value
