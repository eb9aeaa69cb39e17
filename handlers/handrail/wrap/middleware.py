"""Adapts the user's code around a handler to pure ASGI: formatters, and both forms of middleware.

| written as                             | form                                                                      |
|----------------------------------------|---------------------------------------------------------------------------|
| an input formatter, `f(request)`       | returns the request, None to keep it, or a response that is sent at once  |
| an output formatter, `f(response)`     | returns the response, or None to keep it                                  |
| a middleware, `f(request, call_next)`  | returns a response, its own or what `await call_next(request)` gave       |
| an ASGI class, `cls(app)`              | `await instance(scope, receive, send)`                                    |

A response of one chunk has a `body`, to read and to set. A stream has only its `body_iterator`, and is passed on
unless the user's code iterates it. A client's disconnect reaches the handler through every wrapper.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail.core.errors import SignatureRefused
from handrail.core.presence import ClientLeft
from handrail.core.threads import run_in_threadpool
from handrail.core.tracebacks import definition, signature_text
from handrail.wrap.downstream import CallNext, Downstream, StreamCut, forwarded

Wrap = Callable[[ASGIApp], ASGIApp]


class WrapperRaised(Exception):
    """The wrapper `function` raised, not the handler inside it. The cause is its exception."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(getattr(function, "__name__", repr(function)))
        self.function = function


def input_formatter(function: Any) -> Wrap:
    """Adapt an input formatter. Raises SignatureRefused if it does not take the request alone."""
    call = of_arity(function, 1, "an input formatter takes the request: f(request)")

    def wrap(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            result = await call(request)
            if isinstance(result, Response):
                await result(scope, receive, send)
                return
            changed = result if isinstance(result, Request) else request
            await app(*forwarded(changed, receive), send)

        return wrapped

    return wrap


def output_formatter(function: Any) -> Wrap:
    """Adapt an output formatter. Raises SignatureRefused if it does not take the response alone."""
    call = of_arity(function, 1, "an output formatter takes the response: f(response)")

    async def after(request: Request, call_next: CallNext) -> Response:
        response = await call_next(request)
        result = await call(response)
        return result if isinstance(result, Response) else response

    return around(after)


def middleware(function: Any) -> Wrap:
    """Adapt a middleware of either form. Raises SignatureRefused if it has neither."""
    if inspect.isclass(function):
        return _asgi_class(function)
    return around(of_arity(function, 2, "a middleware takes the request and the next step: f(request, call_next)"))


def _asgi_class(cls: type) -> Wrap:
    def wrap(app: ASGIApp) -> ASGIApp:
        try:
            instance: ASGIApp = cls(app)
        except Exception as error:
            raise SignatureRefused(
                f"{cls.__name__} is not an ASGI middleware: {cls.__name__}(app) raised {type(error).__name__}: {error}"
            ) from error
        return instance

    return wrap


def of_arity(function: Any, count: int, accepted: str) -> Callable[..., Awaitable[Any]]:
    """`function` as a coroutine function that turns its exceptions into WrapperRaised. Raises SignatureRefused."""
    if not callable(function):
        raise SignatureRefused(f"it is a {type(function).__name__}, which cannot be called; {accepted}")
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        text = signature_text(function) or repr(function)
        raise SignatureRefused(f"{definition(function)} {text}: {accepted}") from None
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)

    async def call(*args: Any) -> Any:
        try:
            result = function(*args) if is_async else await run_in_threadpool(function, *args)
            return await result if inspect.isawaitable(result) else result
        except (HTTPException, ClientDisconnect, ClientLeft, WrapperRaised, StreamCut, asyncio.CancelledError):
            raise
        except BaseException as error:
            raise WrapperRaised(function) from error

    return call


def around(after: Callable[[Request, CallNext], Awaitable[Any]]) -> Wrap:
    def wrap(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            async with Downstream(app, receive) as downstream:
                response = await after(Request(scope, receive, send), downstream.call_next)
                if not isinstance(response, Response):
                    raise TypeError(f"a middleware returns a response, not {response!r}")
                await response(scope, receive, send)

        return wrapped

    return wrap
