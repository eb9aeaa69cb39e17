"""Describes a handler's input and output in OpenAPI. Used only for `/openapi.json`, never for a request.

| the handler                                 | is described by                                            |
|---------------------------------------------|------------------------------------------------------------|
| takes FastAPI's kinds of parameter          | the body and the parameters that FastAPI derives           |
| takes the request, or a body without a type | JSON of any shape                                          |
| has a return annotation                     | the schema of that type                                    |
| yields                                      | the media types of a stream                                |
| is annotated with a `Response`              | that class's media type                                    |
"""

from __future__ import annotations

import functools
import inspect
import itertools
import types
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Body
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import Response

from handrail.core.calling import Handler
from handrail.core.signature import Argument, ArgumentSource, returned_by, without_none

ANYTHING: dict[str, Any] = {"schema": {}}
_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
#: Media types of streams; which one depends on the type of the items, and all are given if that is unknown.
_STREAMS: dict[str, dict[str, Any]] = {
    "text/event-stream": ANYTHING,
    "text/plain": _TEXT,
    "application/octet-stream": {},
}
REFERENCE = "#/components/schemas/"
#: Methods described with a body: a GET may have one, but clients expect none.
_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")
#: The type of an answer without a describable type.
_UNKNOWN = inspect.Signature.empty


@dataclass(frozen=True)
class Contract:
    """`operation` is an OpenAPI operation, `components` the schemas that it refers to. `fits` says whether the
    handler's models accept a body."""

    operation: dict[str, Any]
    components: dict[str, Any] = field(default_factory=dict)
    fits: Callable[[Any], bool] = lambda body: True


def contract_of(handler: Handler, path: str, method: str = "POST") -> Contract:
    """Describe a handler. Types that cannot be described become JSON of any shape."""
    kind, media_types = _answer(handler.function)
    takes = [_parameter(one) for one in handler.signature.arguments if _is_described(one)]
    takes_more = any(
        one.source in (ArgumentSource.REQUEST, ArgumentSource.INPUT) for one in handler.signature.arguments
    )
    tries = [_Route(path, method, *types) for types in itertools.product((takes, []), (kind, _UNKNOWN))]
    told, found = next((one, found) for one in tries if (found := _described(handler, one)) is not None)
    operation = found.operation
    if method in _WITH_BODY and (takes_more or len(told.parameters) < len(takes)):
        operation.setdefault("requestBody", {"content": {"application/json": ANYTHING}})
    json_schema = operation.pop("answer")
    content = {} if told.returned is _UNKNOWN and media_types else {"application/json": {"schema": json_schema}}
    operation["responses"] = {"200": {"description": _words(handler, media_types), "content": content | media_types}}
    components = _reachable(operation, found.components)
    return Contract(operation, components, found.fits)


@dataclass(frozen=True)
class _Route:
    path: str
    method: str
    parameters: list[inspect.Parameter]
    returned: Any


def _described(handler: Handler, told: _Route) -> Contract | None:
    """The contract with these types; None if FastAPI or pydantic cannot describe them."""

    def endpoint() -> None: ...  # pragma: no cover  described, never called

    endpoint.__signature__ = inspect.Signature(told.parameters)  # type: ignore[attr-defined]
    model = None if told.returned is _UNKNOWN else told.returned
    summary, _, description = _docstring(handler).partition("\n")
    words = {"summary": summary, "description": description.strip()}
    try:
        route = APIRoute(told.path, endpoint, methods=[told.method], response_model=model, name=handler.signature.name)
        document = get_openapi(title="", version="", routes=[route])
    except Exception:  # noqa: BLE001  pydantic, FastAPI and the user's types may raise anything
        return None
    found = document["paths"][told.path][told.method.lower()]
    components = document.get("components", {}).get("schemas", {})
    if not components.keys() >= set(_references(document)):  # a type without a schema leaves a dangling reference
        return None
    answer = found["responses"]["200"]["content"]["application/json"]["schema"]
    operation = {key: found[key] for key in ("parameters", "requestBody") if key in found}
    return Contract({**words, **operation, "answer": answer}, components, functools.partial(_fits, route))


def _fits(route: APIRoute, body: Any) -> bool:
    if route.body_field is None:
        return True
    try:
        _, problems = route.body_field.validate(body, {}, loc=("body",))
    except Exception:  # noqa: BLE001  a user's validator may raise anything
        return False
    return not problems


def _is_described(argument: Argument) -> bool:
    if argument.source is ArgumentSource.INPUT:  # of a Model's method only pydantic models are parsed
        bare = without_none(argument.parameter.annotation)
        return inspect.isclass(bare) and issubclass(bare, BaseModel)
    return argument.source is ArgumentSource.FASTAPI


def _parameter(argument: Argument) -> inspect.Parameter:
    parameter = argument.parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    if argument.source is ArgumentSource.INPUT:
        return parameter.replace(annotation=Annotated[parameter.annotation, Body()], default=inspect.Parameter.empty)
    return parameter


def _answer(function: Callable[..., Any]) -> tuple[Any, dict[str, Any]]:
    """The type of the JSON answer, and the other media types of the answers."""
    returned = returned_by(function)
    if _yields(function):
        return _UNKNOWN, _of_stream(returned)
    if returned is _UNKNOWN or isinstance(returned, str):
        return _UNKNOWN, {"*/*": ANYTHING}
    media_types: dict[str, Any] = {}
    plain = []
    for member in _members(returned):
        kind = typing.get_origin(member) or member
        if inspect.isclass(kind) and issubclass(kind, Response):
            media_types[kind.media_type or "*/*"] = ANYTHING
        elif inspect.isclass(kind) and issubclass(kind, Iterator | AsyncIterator):
            media_types |= _of_stream(member)
        else:
            plain.append(member)
    if not media_types:
        return type(None) if returned is None else returned, {}
    return (typing.Union[tuple(plain)] if plain else _UNKNOWN), media_types  # noqa: UP007  of a list of members


def _members(annotation: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else (annotation,)


def _yields(function: Any) -> bool:
    plain = inspect.unwrap(function.func if isinstance(function, functools.partial) else function)
    kinds = (plain, getattr(type(plain), "__call__", None))  # noqa: B004  of an instance that is called
    return any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in kinds)


def _of_stream(annotation: Any) -> dict[str, Any]:
    item, *_ = (*typing.get_args(annotation), _UNKNOWN)
    if item in (_UNKNOWN, Any):
        return _STREAMS
    if item is str:
        return {"text/event-stream": ANYTHING, "text/plain": _TEXT}
    is_bytes = inspect.isclass(item) and issubclass(item, bytes | bytearray | memoryview)
    return {"application/octet-stream": {}} if is_bytes else {"text/event-stream": ANYTHING}


def _words(handler: Handler, media_types: dict[str, Any]) -> str:
    what = "streams" if media_types and media_types.keys() <= _STREAMS.keys() else "returns"
    return f"What {handler.signature.name} {what}."


def _docstring(handler: Handler) -> str:
    function = handler.function
    plain = function.func if isinstance(function, functools.partial) else function
    said = inspect.getdoc(plain) if inspect.isroutine(plain) else None
    return said or f"{handler.signature.name} of the script answers."


def _references(value: Any) -> Iterator[str]:
    """The names of the components that `value` refers to."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix(REFERENCE)
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _reachable(operation: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    left = list(_references(operation))
    while left:
        name = left.pop()
        if name not in found:
            found[name] = components[name]
            left += _references(found[name])
    return found
