"""The echo engine behind the server: its facade, and OpenAI's routes over it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from handrail.engine import Engine
from pydantic import ValidationError

from handrail_container.engine.echo import EchoClient, Pace, token_ids
from handrail_container.engine.openai import (
    ROUTES,
    Answer,
    ChatRequest,
    CompletionRequest,
    answer_of,
    chunk_events,
)


class EchoEngine(Engine):
    def __init__(self, client: EchoClient, model: str) -> None:
        self._client = client
        self._model = model

    @property
    def raw(self) -> EchoClient:
        return self._client

    def generate(self, prompt: Any, sampling_params: Any = None) -> AsyncIterator[Any]:
        return self._client.generate(prompt, sampling_params, uuid.uuid4().hex)

    def tokenize(self, text: str) -> list[int]:
        return token_ids(text)

    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        asked = _parsed(operation, body)
        served = Answer(operation, body["request_id"], self._model, asked)
        outputs = self._client.generate(asked.text(), {"max_tokens": asked.limit()}, body["request_id"])
        if asked.stream:
            return chunk_events(served, outputs)
        async with aclosing(outputs):  # type: ignore[type-var]  # an async generator
            return answer_of(served, [output async for output in outputs][-1])


def _parsed(operation: str, body: dict[str, Any]) -> ChatRequest | CompletionRequest:
    schemas: dict[str, type[ChatRequest | CompletionRequest]] = {
        "chat_completions": ChatRequest,
        "completions": CompletionRequest,
    }
    try:
        return schemas[operation].model_validate(body)
    except ValidationError as error:
        details = error.errors()[0]
        raise HTTPException(400, f"{'.'.join(map(str, details['loc']))}: {details['msg']}") from None


class EchoBackend:
    name = "echo"

    def __init__(self, pace: Pace, model: str) -> None:
        self.client = EchoClient(pace)
        self.facade: Engine = EchoEngine(self.client, model)
        self.routes_by_payload: Mapping[str, str] = {
            "messages": ROUTES["chat_completions"],
            "prompt": ROUTES["completions"],
        }
        self._model = model

    def prepare(self) -> None:
        """Nothing can be wrong with it."""

    async def start(self, app: FastAPI) -> None:
        await asyncio.sleep(self.client.pace.load_s)
        for operation, path in ROUTES.items():
            app.add_api_route(path, self._endpoint(operation), methods=["POST"], response_model=None)
        app.add_api_route("/v1/models", self._models, methods=["GET"])
        app.add_api_route("/tokenize", self._tokenize, methods=["POST"])

    async def warm_up(self) -> None:
        async for _ in self.client.generate("warm up", {"max_tokens": 1}, "warm-up"):
            pass

    async def check_health(self) -> None:
        """An echo does not die."""

    async def stop(self) -> None:
        """There is no process to stop."""

    def _endpoint(self, operation: str) -> Any:
        async def endpoint(body: dict[str, Any], request: Request) -> Any:
            call = getattr(self.facade, operation)
            return await call(request=request, model_input=body)

        return endpoint

    async def _models(self) -> dict[str, Any]:
        return {"object": "list", "data": [{"id": self._model, "object": "model", "owned_by": "handrail"}]}

    async def _tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        ids = token_ids(str(body.get("prompt", "")))
        return {"tokens": ids, "count": len(ids), "max_model_len": 1 << 20}
