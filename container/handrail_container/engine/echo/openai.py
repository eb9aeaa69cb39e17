"""The echo engine's subset of the types of OpenAI's API. vLLM has its own."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from handrail_container.engine.echo.client import RequestOutput, prompt_text

ROUTES = {"chat_completions": "/v1/chat/completions", "completions": "/v1/completions"}


class StreamOptions(BaseModel):
    include_usage: bool = False
    continuous_usage_stats: bool = False


class OpenAIRequest(BaseModel):
    """The fields that both kinds of request share. All others are accepted and have no effect on an echo."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: str
    content: str | list[dict[str, Any]] | None = None


class ChatRequest(OpenAIRequest):
    messages: list[ChatMessage]
    max_completion_tokens: int | None = None

    def text(self) -> str:
        """The text of the last message."""
        content = self.messages[-1].content if self.messages else ""
        if isinstance(content, list):
            return " ".join(str(part.get("text", "")) for part in content)
        return content or ""

    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class CompletionRequest(OpenAIRequest):
    prompt: Any

    def text(self) -> str:
        return prompt_text(self.prompt)

    def limit(self) -> int | None:
        return 16 if self.max_tokens is None else self.max_tokens  # OpenAI's default for completions


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatChoice(BaseModel):
    index: int = 0
    message: ChatMessage
    finish_reason: str


class TextChoice(BaseModel):
    index: int = 0
    text: str
    finish_reason: str


class Completion(BaseModel):
    """A mutable unstreamed answer of either kind."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChatChoice | TextChoice]
    usage: Usage


@dataclass(frozen=True)
class EchoAnswer:
    """The fields that every part of one answer repeats."""

    operation: str
    request_id: str
    model: str
    asked: ChatRequest | CompletionRequest
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def is_chat(self) -> bool:
        return self.operation == "chat_completions"

    def head(self, kind: str) -> dict[str, Any]:
        prefix = "chatcmpl" if self.is_chat else "cmpl"
        return {
            "id": f"{prefix}-{self.request_id}",
            "object": kind,
            "created": self.created,
            "model": self.asked.model or self.model,
        }


def answer_of(served: EchoAnswer, output: RequestOutput) -> Completion:
    text, reason = output.outputs[0].text, _reason(served, output)
    choice = (
        ChatChoice(message=ChatMessage(role="assistant", content=text), finish_reason=reason)
        if served.is_chat
        else TextChoice(text=text, finish_reason=reason)
    )
    kind = "chat.completion" if served.is_chat else "text_completion"
    return Completion(**served.head(kind), choices=[choice], usage=_usage(output))


async def chunk_events(served: EchoAnswer, outputs: AsyncIterator[RequestOutput]) -> AsyncIterator[bytes]:
    """The answer as server-sent events; closing it early aborts the engine's request."""
    sent, options = 0, served.asked.stream_options or StreamOptions()
    is_counted = options.include_usage and options.continuous_usage_stats
    if served.is_chat:
        yield _chunk(served, {"delta": {"role": "assistant", "content": ""}, "finish_reason": None})
    async with aclosing(outputs):  # type: ignore[type-var]  # an async generator
        async for output in outputs:
            text = output.outputs[0].text
            piece, sent = text[sent:], len(text)
            reason = _reason(served, output) if output.finished else None
            body = {"delta": {"content": piece}} if served.is_chat else {"text": piece}
            usage = {"usage": _usage(output).model_dump()} if is_counted else {}
            yield _chunk(served, {**body, "finish_reason": reason}, **usage)
    if options.include_usage:
        yield _event({**served.head(_chunk_kind(served)), "choices": [], "usage": _usage(output).model_dump()})
    yield b"data: [DONE]\n\n"


def _chunk(served: EchoAnswer, choice: dict[str, Any], **more: Any) -> bytes:
    return _event({**served.head(_chunk_kind(served)), "choices": [{"index": 0, **choice}], **more})


def _chunk_kind(served: EchoAnswer) -> str:
    return "chat.completion.chunk" if served.is_chat else "text_completion"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _reason(served: EchoAnswer, output: RequestOutput) -> str:
    """The finish reason: `length` if the limit cut the answer short."""
    limit = served.asked.limit()
    was_cut = limit is not None and len(output.outputs[0].token_ids) >= limit < len(output.prompt_token_ids)
    return "length" if was_cut else output.outputs[0].finish_reason or "stop"


def _usage(output: RequestOutput) -> Usage:
    prompt, completion = len(output.prompt_token_ids), len(output.outputs[0].token_ids)
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
