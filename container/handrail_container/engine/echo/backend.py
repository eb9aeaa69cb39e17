"""The echo engine as the server sees it: its facade, and OpenAI's routes over it."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, TypeVar, cast

from fastapi import FastAPI, HTTPException, Request
from handrail.core.engine import Engine
from handrail.core.first_error import at_first_error
from pydantic import BaseModel, TypeAdapter, ValidationError

from handrail_container.engine import token_usage
from handrail_container.engine.echo import apis
from handrail_container.engine.echo.client import MOST_TOKENS, EchoClient, Pace, RequestOutput, token_ids
from handrail_container.engine.echo.lora import EchoAdapters
from handrail_container.engine.echo.openai import (
    BATCH,
    ROUTES,
    BatchChatRequest,
    ChatRequest,
    CompletionRequest,
    EchoAnswer,
    answer_of,
    chunk_events,
    joined,
    prompts_of,
    texts_of,
)
from handrail_container.engine.texts import most_characters, require_short

S = TypeVar("S", bound=BaseModel)
#: The most answers of one request, as many as embeddings.
MOST_ANSWERS = 8192
#: The most characters of the prompts of one request, each as often as it is answered.
_MOST_REPEATED = 25_000_000


class EchoEngine(Engine):
    """The facade. `is_strict` refuses any name but the model's own and those of adapters."""

    def __init__(self, client: EchoClient, model: str, adapters: EchoAdapters, *, is_strict: bool = False) -> None:
        self._client = client
        self._model = model
        self._adapters = adapters
        self._is_strict = is_strict

    @property
    def raw(self) -> EchoClient:
        return self._client

    def generate(self, prompt: Any, sampling_params: Any = None) -> AsyncIterator[Any]:
        return self._at_home(self._client.generate(prompt, sampling_params, uuid.uuid4().hex))

    def tokenize(self, text: str) -> list[int]:
        require_short(text, self._client.most_text)
        return token_ids(text)

    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        body["model"] = self._served(body.get("model"))
        state = token_usage.state_of_call(request)
        if operation == "embeddings":
            vectors: Any = apis.embeddings(_parsed(apis.EmbeddingRequest, body), body["model"])
            token_usage.leave(state, vectors.usage.prompt_tokens, 0)
            return vectors
        if operation in apis.SCHEMAS:
            return await self._create_other(operation, body, state)
        asked = _parsed(_SCHEMAS[operation], body)
        served = EchoAnswer(operation, body["request_id"], body["model"], asked)
        if (count := len(prompts_of(asked)) * (asked.n or 1)) > MOST_ANSWERS:
            raise HTTPException(400, f"{count:,} answers are asked for, and {MOST_ANSWERS:,} are allowed")
        texts = texts_of(asked)
        if (length := sum(map(len, texts))) > _MOST_REPEATED:
            raise HTTPException(
                400, f"the prompts have {length:,} characters, each `n` times; at most {_MOST_REPEATED:,} are allowed"
            )
        first, *others = texts
        answers = [self._answer_to(first, asked.limit(), body, state)]
        for text in others:  # each answer counts for itself
            answers.append(self._answer_to(text, asked.limit(), body, token_usage.state_of_call(request)))
        if asked.stream:
            return chunk_events(served, answers)
        return answer_of(served, [await _last(outputs) for outputs in answers])

    async def _create_other(self, operation: str, body: dict[str, Any], state: token_usage.State) -> Any:
        asked = _parsed(apis.SCHEMAS[operation], body)
        outputs = self._answer_to(asked.text(), asked.limit(), body, state)
        if asked.stream:
            return apis.events(operation, body, body["model"], outputs)
        return apis.answer(operation, body, body["model"], await _last(outputs))

    def _served(self, given: Any) -> Any:
        """The name of the model that answers a body with `given` as `model`. Raises HTTPException (404)."""
        name = self._adapters.choose(given, is_strict=self._is_strict)
        if isinstance(name, str) and not self._adapters.knows(name):
            raise HTTPException(404, f"The model `{name}` does not exist.")
        return name or given or self._model

    def _answer_to(
        self, text: str, limit: int | None, body: dict[str, Any], state: token_usage.State
    ) -> AsyncIterator[RequestOutput]:
        outputs = self._client.generate(text, {"max_tokens": limit}, body["request_id"])
        return token_usage.counted(self._adapters.counted(str(body["model"]), outputs), state)


_SCHEMAS: dict[str, type[ChatRequest | CompletionRequest]] = {
    "chat_completions": ChatRequest,
    "completions": CompletionRequest,
}


async def _last(outputs: AsyncIterator[RequestOutput]) -> RequestOutput:
    async with aclosing(outputs):  # type: ignore[type-var]  # an async generator
        last = await anext(outputs)
        async for output in outputs:
            last = output
    return last


@functools.cache
def _adapter(schema: type[BaseModel]) -> TypeAdapter[Any]:
    return at_first_error(TypeAdapter(schema))


def _parsed(schema: type[S], body: dict[str, Any]) -> S:
    try:
        return cast("S", _adapter(schema).validate_python(body))
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        raise HTTPException(400, f"{'.'.join(map(str, details['loc']))}: {details['msg']}") from None


class EchoBackend:
    name = "echo"

    def __init__(
        self,
        pace: Pace,
        model: str,
        adapters: EchoAdapters | None = None,
        *,
        is_strict: bool = False,
        most_text: int | None = None,
    ) -> None:
        self.client = EchoClient(pace, most_text=most_characters(most_text, MOST_TOKENS))
        self.adapters = adapters or EchoAdapters(model)
        self.facade: Engine = EchoEngine(self.client, model, self.adapters, is_strict=is_strict)
        self.routes_by_payload: Mapping[str, str] = {
            "messages": ROUTES["chat_completions"],
            "prompt": ROUTES["completions"],
            "input": apis.ROUTES["embeddings"],
        }
        self.direct_paths: tuple[str, ...] = ()
        self.variables: Mapping[str, str] = {}
        self._model = model

    def anticipate(self) -> None:
        """Nothing to begin: no step is slow."""

    def prepare(self) -> None:
        """Nothing to check."""

    async def start(self, app: FastAPI) -> None:
        await asyncio.sleep(self.client.pace.load_s)
        for operation, path in {**ROUTES, **apis.ROUTES}.items():
            app.add_api_route(path, self._endpoint(operation), methods=["POST"], response_model=None)
        app.add_api_route(BATCH, self._batch, methods=["POST"], response_model=None)
        app.add_api_route("/v1/models", self._models, methods=["GET"])
        app.add_api_route("/tokenize", self._tokenize, methods=["POST"])

    async def warm_up(self) -> None:
        async for _ in self.client.generate("warm up", {"max_tokens": 1}, "warm-up"):
            pass

    async def check_health(self) -> None:
        """An echo does not die."""

    async def stop(self) -> None:
        """No process to stop."""

    def _endpoint(self, operation: str) -> Any:
        async def endpoint(body: dict[str, Any], request: Request) -> Any:
            call = getattr(self.facade, operation)
            return await call(request=request, model_input=body)

        return endpoint

    async def _batch(self, body: dict[str, Any], request: Request) -> Any:
        """A chat for each conversation, as vLLM's route: its choices are theirs."""
        conversations = _parsed(BatchChatRequest, body).messages
        answers = [
            await self.facade.chat_completions(request, {**body, "messages": [one.model_dump() for one in messages]})
            for messages in conversations
        ]
        return joined(answers)

    async def _models(self) -> dict[str, Any]:
        of_adapters = [{"id": name, "parent": self._model} for name in self.adapters.loaded()]
        models = [{"object": "model", "owned_by": "handrail", **one} for one in ({"id": self._model}, *of_adapters)]
        return {"object": "list", "data": models}

    async def _tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        ids = token_ids(str(body.get("prompt", "")))
        return {"tokens": ids, "count": len(ids), "max_model_len": 1 << 20}
