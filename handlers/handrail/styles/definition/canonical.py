"""Checks a task's input and output against the canonical form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from handrail.styles.definition.schema import Task
from handrail.styles.definition.text import from_json

_USAGE = {
    "num_prompt_tokens": ("prompt_tokens", "input_tokens"),
    "num_completion_tokens": ("completion_tokens", "output_tokens"),
}
_OF_CHAT = ("messages", "response_format")


class NotCanonical(ValueError):
    """The message is a sentence that names the error and its place."""


def check_input(task: Task, value: Any) -> None:
    """Raises NotCanonical, only for input that no adapter could use: content parts and roles are not checked."""
    if task is Task.CHAT:
        _check_chat(value)
    elif task is Task.EMBEDDINGS:
        is_texts = isinstance(value, list) and value and all(isinstance(text, str) for text in value)
        _require(is_texts, "the body of an embeddings request is a list of strings", value)


def _check_chat(value: Any) -> None:
    _require(isinstance(value, dict), 'the body of a chat is {"messages": […]}', value)
    _require(not value.get("stream"), "run_inference returns one str, never a stream: leave `stream` out")
    messages = value.get("messages")
    _require(isinstance(messages, list) and messages, "`messages` is a list of at least one message", messages)
    for number, message in enumerate(messages):
        is_one = isinstance(message, dict) and isinstance(message.get("role"), str)
        _require(is_one, f'messages[{number}] is {{"role": …, "content": …}}', message)


def kwargs_of(task: Task, value: Any) -> Mapping[str, Any]:
    """The other fields of a chat, such as `temperature`; empty for other tasks."""
    return {name: given for name, given in value.items() if name not in _OF_CHAT} if task is Task.CHAT else {}


def read_output(task: Task, text: str) -> Any:
    """The canonical output in `text`. Raises NotCanonical."""
    try:
        value = from_json(text)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"it is not JSON: {error}") from None
    return _READERS[task](value)


def _chat_output(value: Any) -> Any:
    _require(isinstance(value, dict), 'it is {"choices": […]} or {"items": […]}', value)
    if isinstance(value.get("items"), list):
        _require(value["items"], "`items` has at least one item", value["items"])
        for number, item in enumerate(value["items"]):
            # pydantic models may omit a `type` that has its default
            is_one = isinstance(item, dict) and bool(item) and isinstance(item.get("type", ""), str)
            _require(is_one, f'items[{number}] is {{"type": …}}', item)
        return _with_usage(value)
    choices = value.get("choices")
    _require(isinstance(choices, list), f"it has neither `choices` nor `items`, but {_keys(value)}")
    _require(choices, "`choices` has at least one choice", choices)
    return _with_usage({**value, "choices": [_choice(number, choice) for number, choice in enumerate(choices)]})


def _choice(number: int, choice: Any) -> Any:
    message = choice.get("message") if isinstance(choice, dict) else None
    is_message = isinstance(message, dict) and isinstance(message.get("role"), str) and "content" in message
    if not is_message or not isinstance(message, dict):
        raise NotCanonical(f'choices[{number}] is {{"message": {{"role": …, "content": …}}}}, not {_shown(choice)}')
    content, refusal = message["content"], message.get("refusal")
    _require(isinstance(content, str | None), f"choices[{number}].message.content is a string", content)
    _require(isinstance(refusal, str | None), f"choices[{number}].message.refusal is a string or null", refusal)
    return {**choice, "message": {**message, "content": content or ""}}  # null with a refusal or a tool call


def _with_usage(value: dict[str, Any]) -> dict[str, Any]:
    """Rename OpenAI's fields of `usage` to the canonical ones."""
    usage = value.get("usage")
    _require(isinstance(usage, dict | None), "`usage` is an object", usage)
    if not usage or _USAGE.keys() & usage.keys():
        return value
    found = {ours: next((usage[name] for name in names if name in usage), None) for ours, names in _USAGE.items()}
    return {**value, "usage": {name: number for name, number in found.items() if number is not None}}


def _embeddings_output(value: Any) -> Any:
    vectors = value.get("embeddings") if isinstance(value, dict) else None
    _require(isinstance(vectors, list) and vectors, 'it is {"embeddings": [[…], …]}', value)
    for number, vector in enumerate(vectors or ()):
        _require(
            isinstance(vector, list) and all(map(_is_number, vector)), f"embeddings[{number}] is a list of numbers"
        )
    return _with_usage(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_READERS: Mapping[Task, Callable[[Any], Any]] = {Task.CHAT: _chat_output, Task.EMBEDDINGS: _embeddings_output}


_NOT_GIVEN = object()


def _require(holds: Any, sentence: str, value: Any = _NOT_GIVEN) -> None:
    if not holds:
        raise NotCanonical(sentence if value is _NOT_GIVEN else f"{sentence}, not {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with {_keys(value)}"
    return "null" if value is None else f"{value!r:.60}"


def _keys(value: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, value)) or "nothing in it"
