"""`handrail.Engine` on vLLM: calls vLLM's serving objects directly, without its routes."""

from __future__ import annotations

import asyncio
import functools
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from handrail.core.engine import Engine
from handrail.core.first_error import at_first_error, holds_more
from handrail.core.threads import run_in_threadpool
from pydantic import TypeAdapter
from starlette.datastructures import State
from starlette.requests import Request
from starlette.types import Scope

from handrail_container.engine.asgi.enveloped import FAILED_EVENT, failure_of_event
from handrail_container.engine.asked import require_parsable, require_within_bounds
from handrail_container.engine.grammars import NO_BOUNDS, RequestBounds
from handrail_container.engine.texts import require_short
from handrail_container.engine.token_usage import state_of_call
from handrail_container.engine.vllm.lora import VllmAdapters
from handrail_container.engine.vllm.names import vllm
from handrail_container.settings.vllm_flags import with_variables

#: Items and keys of a body above which it is validated in a thread, off the event loop.
_MANY = 500


@dataclass(frozen=True)
class Operation:
    """One route of vLLM's: the object in `app.state` that answers, its method, and the class of its body.

    `answer` is the class of the answer if the method returns it only as an HTTP response.
    """

    serving: str
    method: str
    body: str
    answer: str | None = None


OPERATIONS = {
    "chat_completions": Operation("openai_serving_chat", "create_chat_completion", "ChatCompletionRequest"),
    "completions": Operation("openai_serving_completion", "create_completion", "CompletionRequest"),
    "embeddings": Operation("serving_embedding", "__call__", "EmbeddingRequest", "EmbeddingResponse"),
    "messages": Operation("anthropic_serving_messages", "create_messages", "AnthropicMessagesRequest"),
    "responses": Operation("openai_serving_responses", "create_responses", "ResponsesRequest"),
}


class VllmEngine(Engine):
    """The facade; empty until `attach`, which the backend calls once the engine has started."""

    def __init__(self, adapters: VllmAdapters, *, is_strict: bool = False) -> None:
        self._adapters = adapters
        self._is_strict = is_strict
        self._client: Any = None
        self._state = State()
        self._variables: Mapping[str, str] = {}
        self.most_text = sys.maxsize  # characters
        self.bounds = NO_BOUNDS

    def attach(self, client: Any, state: State, variables: Mapping[str, str]) -> None:
        """`variables` maps the flags that vLLM's messages may name to the variables that set them."""
        self._client, self._state, self._variables = client, state, variables

    @property
    def raw(self) -> Any:
        return self._client

    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        called = OPERATIONS[operation]
        serving = getattr(self._state, called.serving, None)
        if serving is None:
            raise HTTPException(501, f"the model does not support {operation}")
        headers = self.watch.headers() if self.watch is not None else []
        try:
            asked = _as_vllm_sees(request, headers)
            answer = await _served(serving, called, self._named(body), asked, self.bounds)
        except HTTPException as error:
            error.detail = with_variables(str(error.detail), self._variables)
            raise
        if called.answer and getattr(answer, "media_type", None) == "application/json":
            return vllm(called.answer).model_validate_json(answer.body)
        return _encoded(answer, self._variables) if hasattr(answer, "__aiter__") else answer

    def _named(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body with the model's name filled in. The base model answers to any name that is not an adapter's, since
        user code passes on its clients' names; with strict names, only to no name. vLLM refuses unknown names."""
        chosen = self._adapters.choose(body.get("model"), is_strict=self._is_strict or self._adapters.finds_more)
        return {**body, "model": chosen or self._state.openai_serving_models.model_name()}

    def generate(self, prompt: Any, sampling_params: Any = None) -> AsyncIterator[Any]:
        return self._at_home(self._generate(prompt, sampling_params))

    async def _generate(self, prompt: Any, sampling_params: Any) -> AsyncIterator[Any]:
        lora = self._adapters.current_lora_request()
        try:
            rendered = await self.rendered(prompt)
            params = self._params(sampling_params)
            running = self._client.generate(rendered, params, uuid.uuid4().hex, lora_request=lora)
            async with aclosing(running) as outputs:
                async for output in outputs:
                    yield output
        except Exception as error:  # only vLLM's: an exception of the caller between two outputs does not pass here
            raise _http_error(error) from error

    async def rendered(self, prompt: Any) -> Any:
        """The prompt in the engine's form. Text is tokenized here, since vLLM will stop doing that in the engine."""
        if isinstance(prompt, Mapping) and "type" in prompt:
            return prompt  # rendered by the caller
        renderer = self._client.renderer
        parsed = vllm("parse_model_prompt")(self._client.model_config, prompt)
        (rendered,) = await renderer.render_cmpl_async([parsed], renderer.default_cmpl_tok_params)
        return rendered

    def _params(self, given: Any) -> Any:
        if given is None:
            given = self._client.model_config.get_diff_sampling_param()
        return vllm("SamplingParams")(**given) if isinstance(given, Mapping) else given

    def tokenize(self, text: str) -> list[int]:
        require_short(text, self.most_text)
        return list(self._client.get_tokenizer().encode(text))


@functools.cache
def _schema(name: str) -> TypeAdapter[Any]:
    return at_first_error(TypeAdapter(vllm(name)), yields=True)


async def _validated(schema: TypeAdapter[Any], body: dict[str, Any], bounds: RequestBounds) -> Any:
    """`body` validated; a large one in a thread, off the event loop."""

    def validated() -> Any:
        require_parsable(body, bounds.json)
        asked = schema.validate_python(body)
        require_within_bounds(asked, body, bounds)
        return asked

    return await run_in_threadpool(validated) if holds_more(body, _MANY) else validated()


async def _served(
    serving: Any, called: Operation, body: dict[str, Any], request: Request | None, bounds: RequestBounds
) -> Any:
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task else 0
    try:
        asked = await _validated(_schema(called.body), body, bounds)
        answer = await getattr(serving, called.method)(asked, request)
    except Exception as error:  # vLLM has a status for each of its exceptions, as around its own routes
        raise _http_error(error) from error
    if task and task.cancelling() > cancelled_before:
        raise asyncio.CancelledError  # vLLM answers a cancellation with an error response
    if isinstance(answer, vllm("ErrorResponse")):
        raise HTTPException(answer.error.code, answer.error.message)
    return answer


def _http_error(error: Exception) -> HTTPException:
    if isinstance(error, vllm("EngineDeadError")):
        return HTTPException(503, "the engine has died")
    told = vllm("create_error_response")(error).error
    return HTTPException(told.code, told.message)


def _as_vllm_sees(request: Request | None, added: list[tuple[bytes, bytes]]) -> Request | None:
    """The request with `added` headers and without its id, which vLLM would use for every call that a handler makes."""
    if request is None and not added:
        return None
    scope: Scope = (
        request.scope if request is not None else {"type": "http", "method": "POST", "path": "/", "headers": []}
    )
    replaced = {b"x-request-id", *dict(added)}
    headers = [(name, value) for name, value in scope["headers"] if name not in replaced]
    return Request({**scope, "headers": [*headers, *added], "state": state_of_call(request)})


async def _encoded(events: Any, variables: Mapping[str, str]) -> AsyncIterator[bytes]:
    async with aclosing(events):
        async for event in events:
            data = _event(event).encode()
            if data.startswith(FAILED_EVENT):
                failure = failure_of_event(data)
                raise HTTPException(failure.status, with_variables(failure.message, variables))
            yield data


def _event(event: Any) -> str:
    """The event as text. Events of the Responses API are objects and are encoded as in vLLM's own route."""
    if isinstance(event, str):
        return event
    return f"event: {event.type}\ndata: {event.model_dump_json(by_alias=True)}\n\n"
