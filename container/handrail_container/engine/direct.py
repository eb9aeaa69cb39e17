"""Routes of an engine's application that are called without the framework around them: most requests ask for these.

What they answer is the engine's; to take a body apart, find the route and hear of the client is done here in half the
time. Whatever is not as usual goes the usual way.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from fastapi import FastAPI
from handrail.downstream import replay
from handrail.first_error import at_first_error
from handrail.threads import run_in_threadpool
from pydantic import BaseModel, TypeAdapter
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.engine.api_routes import api_routes

log = logging.getLogger(__name__)

_PARAMETERS = ["request", "raw_request"]
#: A larger body is parsed and validated beside the event loop.
_LARGE = 16_384


class _Route(NamedTuple):
    call: Callable[[Any, Request], Awaitable[Any]]
    schema: TypeAdapter[Any]


def direct(app: FastAPI, otherwise: ASGIApp, paths: Iterable[str]) -> ASGIApp:
    """The functions of `app` for a POST to `paths`, without what is wrapped around them; `otherwise` for all else."""
    found = {path: _route(app, path) for path in paths}
    routes = {path: route for path, route in found.items() if route is not None}
    return Direct(app, otherwise, routes) if routes else otherwise


def _route(app: FastAPI, path: str) -> _Route | None:
    """None where it is not there, or its function is not as we know it."""
    for route in api_routes(app):
        if route.path == path and "POST" in route.methods:
            call = inspect.unwrap(route.endpoint)
            schema: Any = inspect.get_annotations(call, eval_str=True).get("request")
            is_known = list(inspect.signature(call).parameters) == _PARAMETERS and inspect.isclass(schema)
            if is_known and issubclass(schema, BaseModel):
                return _Route(call, at_first_error(TypeAdapter(schema)))
            log.debug("the engine's %s is not as it was: the framework calls it", path)
            return None
    log.debug("the engine has no POST %s", path)
    return None


class Direct:
    def __init__(self, app: FastAPI, otherwise: ASGIApp, routes: Mapping[str, _Route]) -> None:
        self._app = app
        self._otherwise = otherwise
        self._routes = routes
        self._failing = _failing(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["method"] == "POST" and _is_json(scope) else None
        if route is None:
            await self._otherwise(scope, receive, send)
            return
        request = Request({**scope, "app": self._app}, receive)
        body = await request.body()
        try:
            asked = _parsed(route, body) if len(body) <= _LARGE else await run_in_threadpool(_parsed, route, body)
        except Exception:  # noqa: BLE001  whatever is wrong with it, the framework says it in the engine's words
            await self._otherwise(scope, replay(body, receive), send)
            return
        scope["state"]["handrail.exchange"].ends_with_client = True  # the engine's work is all that there is
        await self._answer(route, asked, request, send)

    async def _answer(self, route: _Route, asked: Any, request: Request, send: Send) -> None:
        try:
            response = await route.call(asked, request)
        except Exception as error:  # noqa: BLE001  as around the engine's own routes: it has an answer for each
            await self._failing({**request.scope, "error": error}, request.receive, send)
            return
        _heed_cancellation()
        try:
            await response(request.scope, request.receive, send)
        finally:
            if close := getattr(getattr(response, "body_iterator", None), "aclose", None):
                await close()  # now, and not when it is collected: the engine may be at work for it


def _parsed(route: _Route, body: bytes) -> Any:
    return route.schema.validate_python(json.loads(body))


def _heed_cancellation() -> None:
    """vLLM answers one with an error response."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _failing(app: FastAPI) -> ASGIApp:
    """Answers as `app` would where a route raises the `error` of its scope."""
    last = app.exception_handlers.get(500) or app.exception_handlers.get(Exception)
    others = {key: handler for key, handler in app.exception_handlers.items() if key not in (500, Exception)}

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise scope["error"]

    return ServerErrorMiddleware(ExceptionMiddleware(fail, handlers=others), handler=last)


def _is_json(scope: Scope) -> bool:
    given = dict(scope["headers"]).get(b"content-type", b"")
    return bool(given.partition(b";")[0].strip().lower() == b"application/json")
