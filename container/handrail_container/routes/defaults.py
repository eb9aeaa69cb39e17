"""The default handlers, used where the script has none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from handrail.core.shortened import shortened
from handrail.core.whole_model import WholeModel
from handrail.wrap.downstream import replay
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.engine.backend import Backend
from handrail_container.engine.lora import Adapters
from handrail_container.process.exits import EngineDeadError
from handrail_container.routes.asked_at import accepted, as_json, at, require_json
from handrail_container.routes.beside import beside, parsed
from handrail_container.routes.inputs.answering import Inputs
from handrail_container.routes.inputs.dialect import InputsDialect
from handrail_container.routes.inputs.reading import takes_inputs
from handrail_container.routes.inputs.streams import SSE

#: The same form as in vLLM's and LMI's containers, among other attributes.
_ROUTE = re.compile(r"(?:^|[\s,;])route=(/[^\s,;?]*)")
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
#: Keys of payloads that can be streamed.
_STREAMED = {"messages", "prompt"}
_JSON_TYPES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
#: Of the keys of a body that names no route: how many are named, and the most characters of each.
_MOST_KEYS, _LONGEST_KEY = 10, 40


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

    `inputs` is the shape of TGI and LMI, which `routes/inputs` translates.

    `route=/v1/…` in SageMaker's Custom-Attributes names a route directly, for any body. A client that accepts only
    events gets a stream, unless its body sets `stream`.
    """

    def __init__(
        self, application: ASGIApp, routes_by_payload: Mapping[str, str], adapters: Adapters, dialect: InputsDialect
    ) -> None:
        self._application = application
        self._routes = routes_by_payload
        self._adapters = adapters
        self._inputs = Inputs(application, routes_by_payload, adapters, dialect)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        asked = _ROUTE.search(request.headers.get(_ATTRIBUTES, "")) if self._routes else None
        if asked is not None:
            await self._application(at(scope, asked[1]), receive, send)
            return
        require_json(request.headers.get("content-type"))
        payload, body = await parsed(request), await request.body()
        if self._routes and isinstance(payload, dict) and "inputs" in payload:
            await self._inputs.answer(payload, request, send)
            return
        path, asked_for = self._route(payload), dict[str, Any]()
        if accepted(request) == [SSE] and _STREAMED & payload.keys() and "stream" not in payload:
            asked_for["stream"] = True
        adapter = request.state.adapter
        if adapter is not None:  # overrides the body's `model`: the platform routed the request by it
            self._adapters.require(adapter)
            asked_for["model"] = adapter
        if asked_for:
            body = await beside(len(body), _told, {**payload, **asked_for})
        await self._application(as_json(scope, path, len(body)), replay(body, receive), send)

    def _route(self, payload: Any) -> str:
        if not self._routes:
            raise HTTPException(
                400, "no handler answers /invocations, and the engine `none` has no default: give model.py a handler"
            )
        for key, path in self._routes.items():
            if isinstance(payload, dict) and key in payload:
                return path
        shapes = [f'{{"{key}": …}} ({path})' for key, path in self._routes.items()]
        if takes_inputs(self._routes):
            shapes.append('{"inputs": …} (as TGI and LMI)')
        raise HTTPException(400, f"/invocations takes {' or '.join(shapes)}; this is {_described(payload)}")


def _told(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload).encode()


def _described(payload: Any) -> str:
    if isinstance(payload, dict):
        named = [repr(shortened(key, _LONGEST_KEY)) for key in islice(payload, _MOST_KEYS)]
        others = f" and {len(payload) - _MOST_KEYS:,} more" if len(payload) > _MOST_KEYS else ""
        return f"an object with {', '.join(named) or 'no keys'}{others}"
    return f"a JSON {_JSON_TYPES[type(payload)]}"
