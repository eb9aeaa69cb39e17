"""The engine facade: what a handler gets where it asks for `handrail.Engine`."""

from __future__ import annotations

import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol, cast

from handrail.core import legacy
from handrail.core.arguments import require_well_called
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
    """Every engine answers these calls alike, so a handler runs on vLLM and on echo without a change.

    `model_input` is a request body of the OpenAI API as a mapping. It is copied before the call returns, so the caller
    may change it and call again at once. The answer is the response model, fresh and mutable, or, where the body says
    `"stream": true`, a `StreamingResponse` of server-sent events as bytes. What the engine refuses is raised as
    `fastapi.HTTPException`; cancelling the call aborts the engine's request, and so does the client of `request` that
    leaves: the call then raises `ClientDisconnect`.
    """

    #: The server's; not for handlers.
    watch: Watch | None = None
    #: What a Truss's tag asks of `predict`; the server's too.
    answers_with_text = False
    #: The server's limit of objects and arrays in a body; beyond it is 413.
    most_objects: int = sys.maxsize

    @property
    @abstractmethod
    def raw(self) -> Any:
        """The engine client itself: vLLM's `AsyncLLM`, or echo's stand-in for it."""

    @abstractmethod
    def generate(self, prompt: Any, sampling_params: Any = None) -> AsyncIterator[Any]:
        """Yield the engine's outputs for one prompt.

        `prompt` is a string or whatever the engine client takes; `sampling_params` is `vllm.SamplingParams`, a mapping
        of its fields, or None for the engine's defaults. Leaving the iteration early aborts the request.
        """

    @abstractmethod
    def tokenize(self, text: str) -> list[int]:
        """Token ids of `text` in the served model's vocabulary."""

    @abstractmethod
    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        """Run one OpenAI operation; the answer is its response model or an async iterator of SSE bytes.

        `body["request_id"]` is set and unique. Raises `fastapi.HTTPException` where the engine refuses the body.
        """

    def chat_completions(
        self, request: HTTPConnection | None = None, model_input: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]:
        return self._serve("chat_completions", request, model_input)

    def completions(
        self, request: HTTPConnection | None = None, model_input: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]:
        return self._serve("completions", request, model_input)

    def embeddings(
        self, request: HTTPConnection | None = None, model_input: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]:
        return self._serve("embeddings", request, model_input)

    def messages(
        self, request: HTTPConnection | None = None, model_input: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]:
        """Anthropic's Messages API."""
        return self._serve("messages", request, model_input)

    def responses(
        self, request: HTTPConnection | None = None, model_input: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]:
        """OpenAI's Responses API."""
        return self._serve("responses", request, model_input)

    def predict(self, model_input: Mapping[str, Any], request: HTTPConnection | None = None) -> Awaitable[Any]:
        """A chat where the body has `messages`; else a completion, by the keys of older Truss engines too.

        Where `answers_with_text`, a completion is text alone: an async generator of it, or a string where the body says
        `"stream": false`.
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
        return self._answer(operation, body, request)

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
