"""The document at `/openapi.json`: FastAPI's description of the engine's routes, our own routes, one error shape."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from fastapi import FastAPI
from handrail.core.contract import REFERENCE, Contract
from starlette.requests import Request
from starlette.routing import Route

from handrail_container.http.envelope import MAX_ID
from handrail_container.process.threads import in_thread
from handrail_container.routes.described_paths import ApiSource, contracts, engines_part, fixed_paths

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
#: Named in the text, because OpenAPI cannot describe WebSockets.
_WEBSOCKETS = (
    "Beside these routes there are WebSockets: /invocations-bidirectional-stream, and /v1/websocket of a Truss Model."
)
_METHODS = ("get", "post", "head", "put", "patch", "delete", "options", "trace")


class OpenApi:
    """The document of one server. The engine's part is made once, ours again after each reload."""

    def __init__(self, app: FastAPI) -> None:
        self._of_engine = app.openapi  # FastAPI's own method, which caches its result
        self._source: ApiSource | None = None
        self._made: tuple[ApiSource | None, dict[str, Any]] | None = None

    def set_source(self, source: ApiSource) -> None:
        """Set the program to describe; the document is made again on the next request."""
        self._source = source

    def __call__(self) -> dict[str, Any]:
        source, made = self._source, self._made
        if made is None or made[0] is not source:
            made = self._made = source, self._describe(source)
        return made[1]

    def _describe(self, source: ApiSource | None) -> dict[str, Any]:
        schema = self._of_engine()
        components = {**schema.get("components", {}).get("schemas", {}), "Error": _ERROR_SCHEMA}
        paths = dict(schema["paths"]) if source is None else engines_part(source, schema["paths"])
        paths |= fixed_paths()
        for path, operations in (contracts(source, schema["paths"]) if source is not None else {}).items():
            paths[path] = {method: _joined(one, components) for method, one in operations.items()}
        described = {
            path: {name: _with_our_errors(one) if name in _METHODS else one for name, one in operations.items()}
            for path, operations in paths.items()
        }
        info = {**schema["info"], "description": _WEBSOCKETS}
        more = {**schema.get("components", {}), "schemas": components}
        return {**schema, "info": info, "paths": described, "components": more}


def describe(app: FastAPI) -> None:
    """Make `app` describe the whole server."""
    app.openapi = OpenApi(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    _describe_in_thread(app)


def set_source(app: FastAPI, source: ApiSource) -> None:
    """Set the program that `app` describes; the document is made on the next request."""
    document: Any = app.openapi
    document.set_source(source)


def _joined(contract: Contract, components: dict[str, Any]) -> dict[str, Any]:
    """Add the contract's components, renamed if a name is taken, and return its operation."""
    suffixes = itertools.chain(("",), (f"-{number}" for number in itertools.count(2)))
    named = ({name: f"{name}{suffix}" for name in contract.components} for suffix in suffixes)
    names, own = next((names, own) for names in named if _fits(own := _under(names, contract), components))
    components |= own
    operation: dict[str, Any] = _renamed(contract.operation, names)
    return operation


def _under(names: dict[str, str], contract: Contract) -> dict[str, Any]:
    return {names[name]: _renamed(schema, names) for name, schema in contract.components.items()}


def _fits(own: dict[str, Any], components: dict[str, Any]) -> bool:
    """Whether no different component has one of these names."""
    return all(components.get(name, schema) == schema for name, schema in own.items())


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """`value` with its references to components renamed, those in a discriminator's mapping too."""
    if isinstance(value, dict):
        return {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if isinstance(value, str) and value.startswith(REFERENCE):
        name = value.removeprefix(REFERENCE)
        return REFERENCE + names.get(name, name)
    return value


def _describe_in_thread(app: FastAPI) -> None:
    """Make the document in a thread: the first takes a second, which would block the event loop."""
    (index, route), *_ = ((i, one) for i, one in enumerate(app.routes) if getattr(one, "path", "") == app.openapi_url)
    assert isinstance(route, Route)
    answer, turn = route.endpoint, asyncio.Lock()

    async def described(request: Request) -> Any:
        async with turn:
            await in_thread(app.openapi, "openapi")
        return await answer(request)

    app.router.routes[index] = Route(route.path, described, include_in_schema=False)


def _with_our_errors(operation: dict[str, Any]) -> dict[str, Any]:
    """Replace the operation's error responses with ours, because clients get ours."""
    good = {status: answer for status, answer in operation["responses"].items() if status[0] in "123"}
    return {**operation, "responses": {**good, "default": _ERROR}}
