"""The engine facade: what a handler gets where it asks for `handrail.Engine`."""

from __future__ import annotations

import asyncio
import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from handrail.core import legacy
from handrail.core.arguments import require_well_called
from handrail.core.hop import hop_answer, hopped
from handrail.core.json_trees import copied
from handrail.core.presence import unless_left

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import StreamingResponse


class EngineCall(Protocol):
    """One call of the engine, as whoever watches sees it: its context is what is awaited of it, `end` its end.

    What is raised within the context ends it too.
    """

    def __enter__(self) -> EngineCall: ...

    def __exit__(self, *raised: Any) -> None: ...

    def end(self, error: Exception | None = None) -> None: ...


class Watch(Protocol):
    """Whoever watches the engine's calls; `headers` are to go with what is asked of it."""

    def call(self, operation: str, request_id: str) -> EngineCall: ...

    def headers(self) -> list[tuple[bytes, bytes]]: ...


class Engine(ABC):
    """The engine as a handler sees it: a parameter annotated `handrail.Engine` gets it.

    Every engine answers these calls alike, so a handler runs on vLLM and on the echo engine without a change.

    - `model_input` is a request body of the OpenAI API (or of the API that the method names), as a mapping. It is
      copied before the call returns: the caller may change it and call again at once.
    - The answer is a response model, fresh and mutable, for example vLLM's `ChatCompletionResponse`. The echo engine's
      models have the same fields. If the body says `"stream": true`, it is a Starlette `StreamingResponse` of
      server-sent events, which a handler can return as it is.
    - Each call has an engine request of its own. Cancelling the call aborts that request. So does the client of
      `request` when it disconnects; the call then raises `starlette.requests.ClientDisconnect`.
    - A `model` in the body that names a LoRA adapter selects that adapter. Without one, the adapter that the client's
      header names is used, else the base model.
    """

    #: The server's; not for handlers.
    watch: Watch | None = None
    #: What a Truss's tag asks of `predict`; the server's too.
    answers_with_text = False
    #: The server's limit of objects and arrays in a body; beyond it is 413.
    most_objects: int = sys.maxsize
    #: The engine's event loop, where code on other loops may call it too.
    home: asyncio.AbstractEventLoop | None = None

    @property
    @abstractmethod
    def raw(self) -> Any:
        """The engine client itself: vLLM's `AsyncLLM`, or the echo engine's substitute for it."""

    @abstractmethod
    def generate(self, prompt: Any, sampling_params: Any = None) -> AsyncIterator[Any]:
        """Generate from one prompt, without a chat template and without the OpenAI API around it.

        Leaving the iteration early aborts the engine's request.

        Args:
            prompt: A string, or whatever else the engine client takes as a prompt.
            sampling_params: A `vllm.SamplingParams`, a mapping of its fields, or None for the model's defaults.

        Yields:
            The engine's outputs, as vLLM's `RequestOutput`; `output.outputs[0].text` is the text so far.

        Raises:
            fastapi.HTTPException: The engine refuses the prompt or the parameters; with its 4xx.
        """

    @abstractmethod
    def tokenize(self, text: str) -> list[int]:
        """Tokenize a plain text; no chat template is applied.

        Args:
            text: The text.

        Returns:
            The ids of its tokens in the served model's vocabulary, as the model's tokenizer encodes it.

        Raises:
            fastapi.HTTPException: The text is longer than `HANDRAIL_MAX_TEXT_CHARS`; with 400.
        """

    @abstractmethod
    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        """Run one OpenAI operation; the answer is its response model or an async iterator of SSE bytes.

        `body["request_id"]` is set and unique. Raises `fastapi.HTTPException` where the engine refuses the body.
        """

    def chat_completions(
        self, request: HTTPConnection | None = None, model_input: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]:
        """Answer a chat, as `/v1/chat/completions` does.

        Args:
            request: The client's request. Its disconnecting aborts the call, and its id is part of the engine's. None
                for a call that no client waits for.
            model_input: A body with `messages`.

        Returns:
            The completion: `.choices[0].message.content` is the text. With `"stream": true`, a
            `StreamingResponse` of `chat.completion.chunk` events that ends with `data: [DONE]`.

        Raises:
            fastapi.HTTPException: The engine refuses the body; with its 4xx.
            starlette.requests.ClientDisconnect: The client of `request` has disconnected.
            TypeError: An argument is not a request or not a body; the message says what to write.
        """
        return self._serve("chat_completions", request, model_input)

    def completions(
        self, request: HTTPConnection | None = None, model_input: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]:
        """Continue a prompt, as `/v1/completions` does.

        Args:
            request: The client's request, as for `chat_completions`.
            model_input: A body with `prompt`.

        Returns:
            The completion: `.choices[0].text` is the text. With `"stream": true`, a `StreamingResponse` of
            `text_completion` events that ends with `data: [DONE]`.

        Raises:
            fastapi.HTTPException: The engine refuses the body; with its 4xx.
            starlette.requests.ClientDisconnect: The client of `request` has disconnected.
            TypeError: An argument is not a request or not a body; the message says what to write.
        """
        return self._serve("completions", request, model_input)

    def embeddings(
        self, request: HTTPConnection | None = None, model_input: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]:
        """Embed texts, as `/v1/embeddings` does. The served model has to be one for it.

        Args:
            request: The client's request, as for `chat_completions`.
            model_input: A body with `input`.

        Returns:
            The embeddings: `.data[0].embedding` is the first vector. They are never streamed.

        Raises:
            fastapi.HTTPException: The engine refuses the body; with its 4xx.
            starlette.requests.ClientDisconnect: The client of `request` has disconnected.
            TypeError: An argument is not a request or not a body; the message says what to write.
        """
        return self._serve("embeddings", request, model_input)

    def messages(
        self, request: HTTPConnection | None = None, model_input: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]:
        """Answer a chat by Anthropic's Messages API, as `/v1/messages` does.

        Args:
            request: The client's request, as for `chat_completions`.
            model_input: A body with `messages` and `max_tokens`.

        Returns:
            The message: `.content[0].text` is the text. With `"stream": true`, a `StreamingResponse` of that
            API's events.

        Raises:
            fastapi.HTTPException: The engine refuses the body; with its 4xx.
            starlette.requests.ClientDisconnect: The client of `request` has disconnected.
            TypeError: An argument is not a request or not a body; the message says what to write.
        """
        return self._serve("messages", request, model_input)

    def responses(
        self, request: HTTPConnection | None = None, model_input: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]:
        """Answer by OpenAI's Responses API, as `/v1/responses` does.

        Args:
            request: The client's request, as for `chat_completions`.
            model_input: A body with `input`.

        Returns:
            The response: `.output` has its items. With `"stream": true`, a `StreamingResponse` of that API's
            events.

        Raises:
            fastapi.HTTPException: The engine refuses the body; with its 4xx.
            starlette.requests.ClientDisconnect: The client of `request` has disconnected.
            TypeError: An argument is not a request or not a body; the message says what to write.
        """
        return self._serve("responses", request, model_input)

    def predict(self, model_input: Mapping[str, Any], request: HTTPConnection | None = None) -> Awaitable[Any]:
        """Answer a chat or continue a prompt, by what the body has, as the engine of a Truss does.

        Args:
            model_input: A body with `messages` is a chat. Any other is a completion, and may use the keys of older
                Truss engines (`stop_words`, `bad_words`, `end_id`, `runtime_top_k`, `runtime_top_p`, …).
            request: The client's request, as for `chat_completions`.

        Returns:
            As `chat_completions` or `completions`. For a Truss with the tag of an older engine, a completion is text
            alone: an async generator of its pieces, or a string if the body says `"stream": false`.

        Raises:
            fastapi.HTTPException: The engine refuses the body; with its 4xx.
            starlette.requests.ClientDisconnect: The client of `request` has disconnected.
            TypeError: An argument is not a request or not a body; the message says what to write.
        """
        require_well_called("predict", request, model_input)
        if "messages" in model_input:
            return self.chat_completions(request, model_input)
        if not self.answers_with_text:
            return self.completions(request, legacy.completion_body(model_input, is_streamed=False))
        return legacy.text(self.completions(request, legacy.completion_body(model_input, is_streamed=True)))

    def _serve(
        self, operation: str, request: HTTPConnection | None, model_input: Mapping[str, Any] | None
    ) -> Awaitable[Any]:
        require_well_called(operation, request, model_input)
        # Now, not when awaited: callers reuse one dict in a gather.
        body: dict[str, Any] = copied(dict(model_input or {}), self.most_objects)
        body["request_id"] = f"{body.get('request_id') or request_id_of(request)}-{uuid.uuid4().hex[:8]}"
        if self.home is not None:
            return hop_answer(self.home, partial(self._answer, operation, body, request))
        return self._answer(operation, body, request)

    def _at_home(self, outputs: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The same outputs, for whichever loop iterates them."""
        return outputs if self.home is None else hopped(self.home, outputs)

    async def _answer(self, operation: str, body: dict[str, Any], request: HTTPConnection | None) -> Any:
        asked = request if request is not None and request.scope["type"] == "http" else None
        creating = self.create(operation, body, cast("Request | None", asked))
        waiting = creating if asked is None else unless_left(asked, creating)
        answer = await (
            waiting if self.watch is None else watched(self.watch.call(operation, body["request_id"]), waiting)
        )
        return event_stream(answer) if isinstance(answer, AsyncIterator) else answer


#: By this a traceback shows which body the engine was given.
ANSWERING = Engine._answer.__code__


async def watched(call: EngineCall, waiting: Coroutine[Any, Any, Any]) -> Any:
    """What `waiting` gives; `call` ends with it, or with the last event of a stream."""
    with call:
        answer = await waiting
    if isinstance(answer, AsyncIterator):
        return _until_end(call, answer)
    call.end()
    return answer


async def _until_end(call: EngineCall, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    error: Exception | None = None
    try:
        async with aclosing(events):  # type: ignore[type-var]  # an async generator
            async for event in events:
                yield event
    except Exception as raised:
        error = raised
        raise
    finally:
        call.end(error)


def request_id_of(request: HTTPConnection | None) -> str:
    """The id the server gave this request, else a new one."""
    given = request.scope.get("state", {}).get("request_id") if request is not None else None
    return given or uuid.uuid4().hex


def event_stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    from starlette.responses import StreamingResponse

    return StreamingResponse(events, media_type="text/event-stream")
