"""Turns a user's function into an ASGI application: inspected once, then only called."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail.core import json_budget
from handrail.core.ahead import LargeBodyRoute
from handrail.core.answers import JsonAnswer, is_stream, rendered, send_json, to_response
from handrail.core.encoding import is_plain
from handrail.core.engine import Engine
from handrail.core.errors import SignatureRefused
from handrail.core.first_error import route_at_first_error
from handrail.core.remarks import Remarks
from handrail.core.signature import ACCEPTED, Argument, ArgumentSource, Signature, inspect_handler
from handrail.core.slots import AdapterSlot, Slot
from handrail.core.threads import run_in_threadpool

AsyncHandler = Callable[..., Awaitable[Any]]

#: Bodies with up to so many items and keys get all validation errors, larger ones the first of each list.
_WHOLE = 256
_BY_POSITION_ONLY = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)


class Part(NamedTuple):
    """A function with the name that its author knows."""

    name: str
    function: Callable[..., Any]


def _no_part(error: BaseException) -> Part | None:
    """The default: the handler is a single function."""
    return None


@dataclass(frozen=True)
class Handler:
    """A user's function, ready to be called: `app` is an ASGI application and raises the function's exceptions.

    If several functions make the answer, `part_of` returns the other function that raised an exception.
    """

    function: Callable[..., Any]
    signature: Signature
    app: ASGIApp
    part_of: Callable[[BaseException], Part | None] = _no_part

    def raised(self, error: BaseException) -> Part:
        """The function that raised `error`, as far as known."""
        return self.part_of(error) or Part(self.signature.name, self.function)


def adapt(function: Any, slot: Slot | AdapterSlot) -> Handler:
    """Make a Handler for a slot. Raises SignatureRefused."""
    signature = inspect_handler(function)
    call = on_loop(function)
    app = _plain(call, signature, slot) if signature.is_plain else _typed(call, signature, slot)
    return Handler(function, signature, app)


def on_loop(function: Callable[..., Any]) -> AsyncHandler:
    """The function as a coroutine function: an `async def` unchanged, a `def` run in the thread pool."""
    if is_async(function):
        return function

    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):

        async def make(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)  # only creates the generator; its body does not run yet

        return make

    async def call(*args: Any, **kwargs: Any) -> Any:
        result = await run_in_threadpool(function, *args, **kwargs)
        return await result if inspect.isawaitable(result) else result  # a plain wrapper around an `async def`

    return call


def is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def get_engine(connection: HTTPConnection) -> Engine:
    """The engine, for a route of an application of your own: `engine: Annotated[Engine, Depends(get_engine)]`."""
    state = connection.scope.get("state", {})
    engine: Engine = state.get("handrail.engine") or connection.app.state.engine
    return engine


def _plain(call: AsyncHandler, signature: Signature, slot: Slot | AdapterSlot) -> ASGIApp:
    """The common case: nothing to parse, so FastAPI is not involved."""
    with_request = _with_request(call, signature)
    is_ping = slot is Slot.PING  # in this slot True, None and False are statuses
    check = Remarks(signature.name, signature.where).check

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        value = await with_request(Request(scope, receive, send))
        if is_ping or not is_plain(value):
            if type(value) is tuple:
                check(value)
            response = await to_response(value, slot)
            await response(scope, receive, send)
            return
        if value is None:
            check(value)
        await send_json(value, send)

    return app


def _with_request(call: AsyncHandler, signature: Signature) -> AsyncHandler:
    """`call` as a function of the request alone."""
    positional = [a.source for a in signature.arguments if not a.is_by_keyword]
    keyword = {a.parameter.name: a.source for a in signature.arguments if a.is_by_keyword}
    if positional == [ArgumentSource.REQUEST] and not keyword:
        return call

    def with_request(request: Request) -> Awaitable[Any]:
        args = [_given(source, request) for source in positional]
        return call(*args, **{name: _given(source, request) for name, source in keyword.items()})

    return with_request


def _given(source: ArgumentSource, request: Request) -> Any:
    return request if source is ArgumentSource.REQUEST else get_engine(request)


def _typed(call: AsyncHandler, signature: Signature, slot: Slot | AdapterSlot) -> ASGIApp:
    """FastAPI parses the request; streams are still sent by Handrail."""

    async def endpoint(**kwargs: Any) -> Any:
        positional = [kwargs.pop(name) for name in positional_only]
        value = await call(*positional, **kwargs)
        if type(value) is tuple or (value is None and slot is Slot.INVOCATION):
            check(value)
        if is_stream(value) or isinstance(value, Response) or (slot is Slot.PING and value is False):
            return await to_response(value, slot)
        return await rendered(value)  # no response: FastAPI makes it, with headers set on a `response: Response`

    check = Remarks(signature.name, signature.where).check
    positional_only = [a.parameter.name for a in signature.arguments if a.parameter.kind in _BY_POSITION_ONLY]
    endpoint.__signature__ = inspect.Signature([_for_fastapi(a) for a in signature.arguments])  # type: ignore[attr-defined]
    try:
        route = LargeBodyRoute(slot.path, endpoint, response_model=None, response_class=JsonAnswer)
    except Exception as error:  # FastAPI raises errors of its own, of pydantic, and assertions
        cause = "".join(str(error).splitlines()[:1]) or type(error).__name__
        raise SignatureRefused(f"{signature.where} {signature.text}: {cause}. {ACCEPTED}") from error
    route_at_first_error(route, _WHOLE)
    answer = AsyncExitStackMiddleware(route.app)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        json_budget.begin(scope.get("state", {}))
        try:
            await answer(scope, receive, send)
        except RequestValidationError as error:  # a frame of FastAPI's refers to it, and to the body: a cycle
            raise error.with_traceback(None)  # noqa: B904  it is the same

    return app


def _for_fastapi(argument: Argument) -> inspect.Parameter:
    annotations = {ArgumentSource.REQUEST: Request, ArgumentSource.ENGINE: Annotated[Engine, Depends(get_engine)]}
    parameter = argument.parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    if argument.source is ArgumentSource.FASTAPI:
        return parameter
    return parameter.replace(annotation=annotations[argument.source], default=inspect.Parameter.empty)
