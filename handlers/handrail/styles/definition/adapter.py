"""Adapters: convert between the canonical form and a snippet's input and output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict

from handrail.styles.definition.schema import IDENTITY
from handrail.styles.definition.text import to_json


class ModelInfo(TypedDict):
    model_key: str
    modality: str
    task: str


class AdapterFailed(Exception):
    """The message is one sentence, with the template's `file:line` if there is a template."""


class Adapter(Protocol):
    """Both methods may block, and raise AdapterFailed."""

    @property
    def key(self) -> str: ...

    def process_input(self, value: Any, kwargs: Mapping[str, Any], info: ModelInfo) -> str:
        """The `body` for `run_inference`. `value` is the canonical input, `kwargs` its further keys."""

    def process_output(self, body: str, status_code: int, info: ModelInfo) -> str:
        """The canonical output, as JSON. `body` is the text returned by `run_inference`."""


@dataclass(frozen=True)
class Identity:
    """Passes input and output on unchanged."""

    key: str = IDENTITY

    def process_input(self, value: Any, kwargs: Mapping[str, Any], info: ModelInfo) -> str:
        return to_json(value)

    def process_output(self, body: str, status_code: int, info: ModelInfo) -> str:
        return body


@dataclass(frozen=True)
class OpenAIChat:
    """OpenAI's chat completions. Unknown fields of messages and choices are kept."""

    key: str = "latticeflow$openai_chat_completion"

    def process_input(self, value: Any, kwargs: Mapping[str, Any], info: ModelInfo) -> str:
        named = {name: value[name] for name in ("messages", "response_format") if name in value}
        return to_json({"model": info["model_key"], **named, **kwargs})

    def process_output(self, body: str, status_code: int, info: ModelInfo) -> str:
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise AdapterFailed(f"{self.key}: what run_inference returned is not JSON: {error}") from None
        if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
            raise AdapterFailed(f"{self.key}: what run_inference returned is no chat completion: {_described(answer)}")
        made: dict[str, Any] = {"choices": [_choice(choice) for choice in answer["choices"]]}
        if isinstance(answer.get("usage"), dict):
            made["usage"] = _usage(answer["usage"])
        return to_json(made)


def _described(answer: Any) -> str:
    if isinstance(answer, dict):
        return f"it has no list `choices`, but {', '.join(map(repr, answer)) or 'nothing'}"
    return f"it is a {type(answer).__name__}"


def _choice(choice: Any) -> Any:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return choice
    kept = {name: value for name, value in message.items() if name != "refusal" or value is not None}
    return {**choice, "message": {**kept, "content": kept.get("content") or ""}}


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {"num_prompt_tokens": "prompt_tokens", "num_completion_tokens": "completion_tokens"}
    return {ours: usage[theirs] for ours, theirs in renamed.items() if usage.get(theirs) is not None}


#: Adapters without a file. The older names, with a task in them, mean the same.
_ALL: tuple[Adapter, ...] = (
    *(Identity(IDENTITY + suffix) for suffix in ("", "_chat_completion", "_embeddings", "_custom")),
    OpenAIChat(),
)
BUILT_IN: Mapping[str, Adapter] = {adapter.key: adapter for adapter in _ALL}
