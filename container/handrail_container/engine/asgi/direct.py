"""Calls vLLM's chat and completion endpoints directly, skipping FastAPI's routing and validation.

This halves the time spent around the engine. Other routes are called directly only for a large body, which FastAPI
would validate on the event loop. Any unusual request goes through FastAPI.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from handrail.core.first_error import at_first_error
from handrail.core.threads import run_in_threadpool
from handrail.wrap.downstream import replay
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.engine.asgi.api_routes import api_routes
from handrail_container.engine.asked import require_parsable, require_within_bounds
from handrail_container.engine.grammars import NO_BOUNDS, RequestBounds, TooMuchAsked

log = logging.getLogger(__name__)

_PARAMETERS = ["request", "raw_request"]
#: Bytes. A larger body is parsed and validated in a thread, off the event loop.
_LARGE = 16_384


class _Route(NamedTuple):
    """`takes_small`: called directly for any body. Otherwise a small body is only checked; FastAPI makes the call."""

    call: Callable[[Any, Request], Awaitable[Any]]
    schema: TypeAdapter[Any]
    takes_small: bool


def direct(app: FastAPI, otherwise: ASGIApp, paths: Iterable[str], bounds: RequestBounds = NO_BOUNDS) -> ASGIApp:
    """An application that calls the endpoints of `app` directly: those at `paths` for any POST, others for a POST with
    a large body. `otherwise` handles all other requests, and every request if there are no `paths`."""
    usual = tuple(paths)
    there = {route.path: route.endpoint for route in reversed([*api_routes(app)]) if "POST" in route.methods}
    known = {path: found for path, call in there.items() if (found := _route(call, takes_small=path in usual))}
    for path in usual:
        if path not in there:
            log.debug("the engine has no POST %s", path)
        elif path not in known:
            log.debug("the engine's %s is not as it was: the framework calls it", path)
    return Direct(app, otherwise, known, bounds) if usual and known else otherwise


def _route(endpoint: Callable[..., Any], *, takes_small: bool) -> _Route | None:
    """The endpoint as a `_Route`; None if it does not have the expected parameters."""
    call = inspect.unwrap(endpoint)
    schema: Any = inspect.get_annotations(call, eval_str=True).get("request")
    if list(inspect.signature(call).parameters) != _PARAMETERS or not _is_of_models(schema):
        return None
    return _Route(call, at_first_error(TypeAdapter(schema), yields=True), takes_small)


def _is_of_models(schema: Any) -> bool:
    """Whether `schema` is a pydantic model, or a union of such models."""
    if get_origin(schema) is Annotated:
        return _is_of_models(get_args(schema)[0])
    if get_origin(schema) in (Union, UnionType):
        return all(map(_is_of_models, get_args(schema)))
    return inspect.isclass(schema) and issubclass(schema, BaseModel)


class Direct:
    def __init__(
        self, app: FastAPI, otherwise: ASGIApp, routes: Mapping[str, _Route], bounds: RequestBounds = NO_BOUNDS
    ) -> None:
        self._app = app
        self._bounds = bounds
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
        is_large = len(body) > _LARGE
        try:
            asked = (
                await run_in_threadpool(_parsed_large, route, body, self._bounds)
                if is_large
                else _parsed(route, body, self._bounds)
            )
        except (RequestValidationError, TooMuchAsked) as error:
            await self._failing({**request.scope, "error": error}, request.receive, send)
            return
        except Exception:  # noqa: BLE001  any other fault: FastAPI finds it again and answers in the engine's words
            await self._otherwise(scope, replay(body, receive), send)
            return
        if not (is_large or route.takes_small):
            await self._otherwise(scope, replay(body, receive), send)
            return
        scope["state"]["handrail.exchange"].ends_with_client = True  # no user code runs, only the engine
        await self._answer(route, asked, request, send)

    async def _answer(self, route: _Route, asked: Any, request: Request, send: Send) -> None:
        try:
            response = await route.call(asked, request)
        except Exception as error:  # noqa: BLE001  the engine's exception handlers have an answer for each
            await self._failing({**request.scope, "error": error}, request.receive, send)
            return
        _raise_if_cancelled()
        try:
            await response(request.scope, request.receive, send)
        finally:
            if close := getattr(getattr(response, "body_iterator", None), "aclose", None):
                await close()  # now, not at garbage collection: the engine may still be working on it


def _parsed(route: _Route, body: bytes, bounds: RequestBounds) -> Any:
    document = json.loads(body)
    require_parsable(document, bounds.json)
    asked = route.schema.validate_python(document)
    require_within_bounds(asked, document, bounds)
    return asked


def _parsed_large(route: _Route, body: bytes, bounds: RequestBounds) -> Any:
    """Raises FastAPI's validation error itself: FastAPI would block the event loop as long to find it again."""
    document = json.loads(body)
    require_parsable(document, bounds.json)
    try:
        # as FastAPI does: it changes error texts
        asked = route.schema.validate_python(document, from_attributes=True)
    except ValidationError as refused:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in refused.errors(include_url=False)]
        raise RequestValidationError(errors, body=document) from None
    require_within_bounds(asked, document, bounds)
    return asked


def _raise_if_cancelled() -> None:
    """Raise a pending cancellation: vLLM swallows CancelledError and returns an error response."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _failing(app: FastAPI) -> ASGIApp:
    """An application that answers as `app` would if a route raised the `error` of its scope."""
    last = app.exception_handlers.get(500) or app.exception_handlers.get(Exception)
    others = {key: handler for key, handler in app.exception_handlers.items() if key not in (500, Exception)}

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise scope["error"]

    return ServerErrorMiddleware(ExceptionMiddleware(fail, handlers=others), handler=last)


def _is_json(scope: Scope) -> bool:
    given = dict(scope["headers"]).get(b"content-type", b"")
    return bool(given.partition(b";")[0].strip().lower() == b"application/json")
