"""The handlers that answer where the user gave none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from handrail.styles.definition.model import DefinedModel
from handrail.styles.truss.model import TrussModel
from handrail.wrap.downstream import replay
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.engine.backend import Backend
from handrail_container.engine.lora import Adapters
from handrail_container.process.exits import EngineDeadError

#: As vLLM's and LMI's own containers have it, among other attributes.
_ROUTE = re.compile(r"(?:^|[\s,;])route=(/[^\s,;?]*)")
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
#: Keys of the payloads whose answers can be streamed.
_STREAMED = {"messages", "prompt"}
_JSON_TYPES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}

#: Content types of SageMaker's batch transform: many records in a body.
_OF_BATCHES = frozenset({"text/csv", "application/jsonlines", "application/x-jsonlines", "application/jsonl"})


class DefaultPing:
    """200 while the engine is alive; the gate has answered already where the server is not ready.

    `model` is a Truss Model that may say otherwise, `workers` those of a definition. Where `is_fresh`, each request
    asks the Model.
    """

    def __init__(
        self,
        backend: Backend,
        model: TrussModel | None = None,
        workers: DefinedModel | None = None,
        *,
        is_fresh: bool = False,
    ) -> None:
        self._backend = backend
        self._is_fresh = is_fresh
        self._model = model
        self._workers = workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._backend.check_health()
        except EngineDeadError as error:
            raise HTTPException(503, str(error)) from error
        if self._model is not None and not await self._model.is_healthy(is_fresh=self._is_fresh):
            raise HTTPException(503, "the Model's is_healthy says that it is not, or does not say in time")
        if self._workers is not None and not self._workers.is_healthy:
            raise HTTPException(503, "the workers of run_inference end as soon as they are started; the log says why")
        await JSONResponse({"status": "healthy"})(scope, receive, send)


class DefaultInvocation:
    """The engine's own route for the payload: `messages` is a chat, `prompt` a completion, `input` an embedding, …

    Or the one that `route=/v1/…` in SageMaker's Custom-Attributes names, whatever the body is. A client that accepts
    nothing but events gets a stream, unless its body says otherwise.
    """

    def __init__(self, application: ASGIApp, routes_by_payload: Mapping[str, str], adapters: Adapters) -> None:
        self._application = application
        self._routes = routes_by_payload
        self._adapters = adapters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        asked = _ROUTE.search(request.headers.get(_ATTRIBUTES, "")) if self._routes else None
        if asked is not None:
            await self._application(_at(scope, asked[1]), receive, send)
            return
        _require_json(request.headers.get("content-type"))
        payload, body = await request.json(), await request.body()
        path, asked_for = self._route(payload), dict[str, Any]()
        if _accepts_events_alone(request) and _STREAMED & payload.keys() and "stream" not in payload:
            asked_for["stream"] = True
        adapter = request.state.adapter
        if adapter is not None:  # it goes before what the body names: the platform has routed the request to it
            self._adapters.require(adapter)
            asked_for["model"] = adapter
        if asked_for:
            body = json.dumps({**payload, **asked_for}).encode()
        await self._application(_as_json(scope, path, len(body)), replay(body, receive), send)

    def _route(self, payload: Any) -> str:
        if not self._routes:
            raise HTTPException(
                400, "no handler answers /invocations, and the engine `none` has no default: give model.py a handler"
            )
        for key, path in self._routes.items():
            if isinstance(payload, dict) and key in payload:
                return path
        shapes = " or ".join(f'{{"{key}": …}} ({path})' for key, path in self._routes.items())
        raise HTTPException(400, f"/invocations takes {shapes}; this is {_described(payload)}")


def _described(payload: Any) -> str:
    if isinstance(payload, dict):
        return f"an object with {', '.join(map(repr, payload)) or 'no keys'}"
    return f"a JSON {_JSON_TYPES[type(payload)]}"


def _require_json(content_type: str | None) -> None:
    """A body without a type is taken for JSON: SageMaker clients need not name one. What a batch transform sends has
    a status of its own, which says that another content type is taken."""
    media_type = (content_type or "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise HTTPException(
            415 if media_type in _OF_BATCHES else 400,
            f"the content type is {media_type!r}, and the engine takes JSON, one object a request: send "
            "'Content-Type: application/json'. A handler of model.py may take any other",
        )


def _accepts_events_alone(request: Request) -> bool:
    accepted = request.headers.get("accept") or request.headers.get("x-amzn-sagemaker-accept") or ""
    return [kind.partition(";")[0].strip().lower() for kind in accepted.split(",")] == ["text/event-stream"]


def _as_json(scope: Scope, path: str, length: int) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name not in (b"content-type", b"content-length")]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    return {**_at(scope, path), "headers": headers}


def _at(scope: Scope, path: str) -> Scope:
    return {**scope, "path": path, "raw_path": path.encode()}
