"""The echo engine's subset of the types of OpenAI's API. vLLM has its own."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from handrail_container.engine.echo import tokens
from handrail_container.engine.echo.client import RequestOutput, prompt_text

ROUTES = {"chat_completions": "/v1/chat/completions", "completions": "/v1/completions"}
BATCH = "/v1/chat/completions/batch"


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
    n: int | None = Field(None, ge=1)
    logprobs: bool | int | None = None
    prompt_logprobs: int | None = None
    return_token_ids: bool | None = None


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


class BatchChatRequest(OpenAIRequest):
    """As vLLM's, it streams nothing and has one answer a conversation."""

    messages: Annotated[list[list[ChatMessage]], Field(min_length=1)]
    stream: Literal[False] = False
    n: Literal[1] | None = None


class CompletionRequest(OpenAIRequest):
    prompt: Any

    def limit(self) -> int | None:
        return 16 if self.max_tokens is None else self.max_tokens  # OpenAI's default for completions


def prompts_of(asked: ChatRequest | CompletionRequest) -> list[Any]:
    """Each of them gets `n` answers."""
    if isinstance(asked, ChatRequest):
        return [asked.text()]
    is_list = isinstance(asked.prompt, list) and bool(asked.prompt) and not isinstance(asked.prompt[0], int)
    return asked.prompt if is_list else [asked.prompt]


def texts_of(asked: ChatRequest | CompletionRequest) -> list[str]:
    """The text that each answer echoes: those of one prompt one after the other."""
    return [prompt_text(prompt) for prompt in prompts_of(asked) for _ in range(asked.n or 1)]


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatChoice(BaseModel):
    model_config = ConfigDict(extra="allow")

    index: int = 0
    message: ChatMessage
    finish_reason: str


class TextChoice(BaseModel):
    model_config = ConfigDict(extra="allow")

    index: int = 0
    text: str
    finish_reason: str


class Completion(BaseModel):
    """A mutable unstreamed answer of either kind."""

    model_config = ConfigDict(extra="allow")

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


def answer_of(served: EchoAnswer, outputs: list[RequestOutput]) -> Completion:
    """The answer with a choice for each of `outputs`."""
    choices = [_choice(served, index, output) for index, output in enumerate(outputs)]
    kind = "chat.completion" if served.is_chat else "text_completion"
    more = tokens.of_prompt(served.asked, outputs[0]) if served.is_chat else {}
    return Completion(**served.head(kind), choices=choices, usage=_usage(served, outputs), **more)


def _choice(served: EchoAnswer, index: int, output: RequestOutput) -> ChatChoice | TextChoice:
    text, reason = output.outputs[0].text, _reason(served, output)
    more = tokens.of_answer(served.asked, output, is_chat=served.is_chat)
    if served.is_chat:
        message = ChatMessage(role="assistant", content=text)
        return ChatChoice(index=index, message=message, finish_reason=reason, **more)
    more |= tokens.of_prompt(served.asked, output)
    return TextChoice(index=index, text=text, finish_reason=reason, **more)


def joined(answers: list[Completion]) -> Completion:
    """One answer with the choices of all."""
    whole, *_ = answers
    whole.choices = [answer.choices[0] for answer in answers]
    for index, choice in enumerate(whole.choices):
        choice.index = index
    prompt, completion = (
        sum(getattr(answer.usage, name) for answer in answers) for name in ("prompt_tokens", "completion_tokens")
    )
    whole.usage = Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
    return whole


async def chunk_events(served: EchoAnswer, answers: list[AsyncIterator[RequestOutput]]) -> AsyncIterator[bytes]:
    """The answers as server-sent events, one after the other; closing it early aborts the engine's requests."""
    options, ends = served.asked.stream_options or StreamOptions(), []
    for index, outputs in enumerate(answers):
        if served.is_chat:
            yield _chunk(served, {"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
        async with aclosing(_pieces(served, index, outputs)) as pieces:
            async for output, event in pieces:
                last = output
                yield event
        ends.append(last)
    if options.include_usage:
        usage = _usage(served, ends).model_dump()
        yield _event({**served.head(_chunk_kind(served)), "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


async def _pieces(
    served: EchoAnswer, index: int, outputs: AsyncIterator[RequestOutput]
) -> AsyncGenerator[tuple[RequestOutput, bytes], None]:
    sent, options = 0, served.asked.stream_options or StreamOptions()
    is_counted = options.include_usage and options.continuous_usage_stats
    async with aclosing(outputs):  # type: ignore[type-var]  # an async generator
        async for output in outputs:
            text = output.outputs[0].text
            piece, sent = text[sent:], len(text)
            reason = _reason(served, output) if output.finished else None
            body = {"delta": {"content": piece}} if served.is_chat else {"text": piece}
            more = tokens.of_piece(served.asked, output, is_chat=served.is_chat)
            usage = {"usage": _usage(served, [output]).model_dump()} if is_counted else {}
            yield output, _chunk(served, {"index": index, **body, "finish_reason": reason, **more}, **usage)


def _chunk(served: EchoAnswer, choice: dict[str, Any], **more: Any) -> bytes:
    return _event({**served.head(_chunk_kind(served)), "choices": [choice], **more})


def _chunk_kind(served: EchoAnswer) -> str:
    return "chat.completion.chunk" if served.is_chat else "text_completion"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _reason(served: EchoAnswer, output: RequestOutput) -> str:
    """The finish reason: `length` if the limit cut the answer short."""
    limit = served.asked.limit()
    was_cut = limit is not None and len(output.outputs[0].token_ids) >= limit < len(output.prompt_token_ids)
    return "length" if was_cut else output.outputs[0].finish_reason or "stop"


def _usage(served: EchoAnswer, outputs: list[RequestOutput]) -> Usage:
    prompt = sum(len(output.prompt_token_ids) for output in outputs[:: served.asked.n or 1])
    completion = sum(len(output.outputs[0].token_ids) for output in outputs)
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
