"""What `/openapi.json` says: the engine's routes as FastAPI knows them, our own beside them, and one shape of error."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import Route

from handrail_container.envelope import MAX_ID
from handrail_container.threads import in_thread

_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code", "request_id"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "code": {"type": "integer", "description": "The status."},
                "request_id": {"type": "string", "maxLength": MAX_ID, "description": "Also in X-Request-Id."},
                "detail": {"description": "What a handler's HTTPException carries, where that is no text."},
                "param": {"type": "string", "description": "The field of the body that is at fault."},
            },
        }
    },
}
_ERROR = {
    "description": "An error.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_ANYTHING: dict[str, Any] = {"*/*": {"schema": {}}}
_STREAM = {"type": "boolean"}
_CONTENT = {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "array", "items": {"type": "object"}}]}
_MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {"role": {"type": "string"}, "content": _CONTENT},
}
#: What the engine takes by payload, and last what a handler may take.
_PAYLOADS: list[dict[str, Any]] = [
    {
        "type": "object",
        "required": ["messages"],
        "properties": {"messages": {"type": "array", "items": _MESSAGE}, "stream": _STREAM},
    },
    {
        "type": "object",
        "required": ["prompt"],
        "properties": {"prompt": {"type": "string"}, "max_tokens": {"type": "integer"}, "stream": _STREAM},
    },
    {"type": "object", "required": ["input"], "properties": {"input": {"type": "string"}}},
    {},
]
_METHODS = ("get", "post", "head", "put", "patch", "delete", "options", "trace")


def _operation(summary: str, media_types: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": "Well.", "content": media_types}}, **more}


def _own_paths() -> dict[str, dict[str, Any]]:
    """The routes that the application does not have: they are answered in front of it."""
    ping = _operation("Whether the server can answer; 503 says why not.", _ANYTHING)
    body = {"required": True, "content": {"application/json": {"schema": {"anyOf": _PAYLOADS}}}}
    invocation = _operation("The handler of the script, or the engine by payload.", _ANYTHING, requestBody=body)
    about = _operation("The name, the version and the state.", {"application/json": {"schema": {"type": "object"}}})
    metrics = _operation("Metrics, as Prometheus reads them.", {"text/plain": {"schema": {"type": "string"}}})
    return {
        "/ping": dict.fromkeys(("get", "post", "head"), ping),
        "/health": dict.fromkeys(("get", "post", "head"), ping),
        "/invocations": {"post": invocation},
        "/predict": {"post": invocation},
        "/metrics": {"get": metrics},
        "/": {"get": about, "head": about},
    }


def describe(app: FastAPI) -> None:
    """Let `app` describe the whole server."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        schema = generate()
        for path, operations in _own_paths().items():
            schema["paths"].setdefault(path, operations)
        schema.setdefault("components", {}).setdefault("schemas", {})["Error"] = _ERROR_SCHEMA
        for operations in schema["paths"].values():
            for method in _METHODS:
                if method in operations:
                    operations[method] = _with_our_errors(operations[method])
        return schema

    _describe_in_thread(app)
    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _describe_in_thread(app: FastAPI) -> None:
    """The first description of an engine's routes takes a second, which nobody else is to wait for."""
    (index, route), *_ = ((i, one) for i, one in enumerate(app.routes) if getattr(one, "path", "") == app.openapi_url)
    assert isinstance(route, Route)
    answer, turn = route.endpoint, asyncio.Lock()

    async def described(request: Request) -> Any:
        async with turn:
            await in_thread(app.openapi, "openapi")
        return await answer(request)

    app.router.routes[index] = Route(route.path, described, include_in_schema=False)


def _with_our_errors(operation: dict[str, Any]) -> dict[str, Any]:
    """Whatever its author says of errors, ours is what clients get."""
    good = {status: answer for status, answer in operation["responses"].items() if status[0] in "123"}
    return {**operation, "responses": {**good, "default": _ERROR}}
