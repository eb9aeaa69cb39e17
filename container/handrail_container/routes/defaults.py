"""The default handlers, used where the script has none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from handrail.core.whole_model import WholeModel
from handrail.wrap.downstream import replay
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.engine.backend import Backend
from handrail_container.engine.lora import Adapters
from handrail_container.process.exits import EngineDeadError

#: The same form as in vLLM's and LMI's containers, among other attributes.
_ROUTE = re.compile(r"(?:^|[\s,;])route=(/[^\s,;?]*)")
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
#: Keys of payloads that can be streamed.
_STREAMED = {"messages", "prompt"}
_JSON_TYPES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}

#: Content types of SageMaker's batch transform, with many records in a body.
_OF_BATCHES = frozenset({"text/csv", "application/jsonlines", "application/x-jsonlines", "application/jsonl"})


class DefaultPing:
    """200 while the engine is alive. The gate answers before the server is ready.

    `models` are whole models that may report unhealthy; with `is_fresh` each request asks them anew.
    """

    def __init__(self, backend: Backend, models: Sequence[WholeModel] = (), *, is_fresh: bool = False) -> None:
        self._backend = backend
        self._is_fresh = is_fresh
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._require_health()
        await JSONResponse({"status": "healthy"})(scope, receive, send)

    def before(self, app: ASGIApp) -> ASGIApp:
        """`app`, asked only where all is healthy."""

        async def asked(scope: Scope, receive: Receive, send: Send) -> None:
            await self._require_health()
            await app(scope, receive, send)

        return asked

    async def _require_health(self) -> None:
        try:
            await self._backend.check_health()
        except EngineDeadError as error:
            raise HTTPException(503, str(error)) from error
        for model in self._models:
            if not await model.is_healthy(is_fresh=self._is_fresh):
                raise HTTPException(503, model.unhealthy)


class DefaultInvocation:
    """Calls the engine's route for the payload: `messages` is a chat, `prompt` a completion, `input` an embedding, …

    `route=/v1/…` in SageMaker's Custom-Attributes names a route directly, for any body. A client that accepts only
    events gets a stream, unless its body sets `stream`.
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
        if adapter is not None:  # overrides the body's `model`: the platform routed the request by it
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
    """Refuse other content types. A body without one is taken for JSON, since SageMaker clients may omit it. The types
    of a batch transform get 415, other types 400."""
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
