"""The echo engine's subset of the embeddings, Messages and Responses APIs."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from handrail_container.engine.echo.client import RequestOutput, prompt_text, token_ids
from handrail_container.engine.echo.openai import ChatRequest, OpenAIRequest

ROUTES = {"embeddings": "/v1/embeddings", "messages": "/v1/messages", "responses": "/v1/responses"}

_DIMENSIONS = 8


class Body(BaseModel):
    """A mutable answer, or a part of one, with the fields that it was made with."""

    model_config = ConfigDict(extra="allow")


class EmbeddingRequest(OpenAIRequest):
    input: str | Annotated[list[str], Field(max_length=8192)]  # four times what OpenAI takes


class MessagesRequest(ChatRequest):
    max_tokens: int


class ResponsesRequest(OpenAIRequest):
    input: str | list[dict[str, Any]]
    max_output_tokens: int | None = None

    def text(self) -> str:
        """The text of the last item."""
        content = self.input if isinstance(self.input, str) else (self.input or [{}])[-1].get("content") or ""
        return content if isinstance(content, str) else " ".join(str(part.get("text", "")) for part in content)

    def limit(self) -> int | None:
        return self.max_output_tokens


SCHEMAS: dict[str, type[MessagesRequest | ResponsesRequest]] = {
    "messages": MessagesRequest,
    "responses": ResponsesRequest,
}


def embeddings(asked: EmbeddingRequest, model: str) -> Body:
    """Embed each text: the same vector for the same text, in every process."""
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    data = [Body(index=i, object="embedding", embedding=_vector(text)) for i, text in enumerate(texts)]
    tokens = sum(len(token_ids(text)) for text in texts)
    usage = Body(prompt_tokens=tokens, total_tokens=tokens)
    return Body(object="list", model=asked.model or model, data=data, usage=usage)


def _vector(text: str) -> list[float]:
    return [zlib.crc32(f"{i} {prompt_text(text)}".encode()) / 2**32 for i in range(_DIMENSIONS)]


def answer(operation: str, body: dict[str, Any], model: str, output: RequestOutput) -> Body:
    """The unstreamed answer of the Messages or the Responses API."""
    text = output.outputs[0].text
    usage = Body(input_tokens=len(output.prompt_token_ids), output_tokens=len(output.outputs[0].token_ids))
    head = {"id": body["request_id"], "model": body.get("model") or model, "usage": usage}
    if operation == "messages":
        content = [Body(type="text", text=text)]
        return Body(**head, type="message", role="assistant", content=content, stop_reason="end_turn")
    message = Body(type="message", role="assistant", content=[Body(type="output_text", text=text)])
    return Body(**head, object="response", status="completed", output=[message])


async def events(
    operation: str, body: dict[str, Any], model: str, outputs: AsyncIterator[RequestOutput]
) -> AsyncIterator[bytes]:
    """The answer as server-sent events: a delta for each token, then the whole."""
    sent = 0
    async with aclosing(outputs):  # type: ignore[type-var]  # an async generator
        async for output in outputs:
            text = output.outputs[0].text
            piece, sent = text[sent:], len(text)
            if operation == "messages":
                yield _event({"type": "content_block_delta", "delta": {"type": "text_delta", "text": piece}})
            else:
                yield _event({"type": "response.output_text.delta", "delta": piece})
    whole = answer(operation, body, model, output).model_dump()
    last = {"type": "message_stop"} if operation == "messages" else {"type": "response.completed", "response": whole}
    yield _event(last)


def _event(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
