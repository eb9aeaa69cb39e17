"""Adapts a stream handler: a function that owns a WebSocket until it returns."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState

from handrail.core.calling import Handler, is_async, on_loop
from handrail.core.engine import Engine
from handrail.core.errors import SignatureRefused
from handrail.core.signature import VARIADIC, Argument, ArgumentSource, inspect_callable, refuse_method, without_none

ACCEPTED = "A stream handler is `async def f(websocket)`, or `async def f(websocket, engine: handrail.Engine)`"


class Stream(WebSocket):
    """A WebSocket that may be accepted twice: handlers written for FastAPI accept again after the server."""

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] | None = None
    ) -> None:
        if self.application_state is WebSocketState.CONNECTING:
            await super().accept(subprotocol, headers)


def adapt_stream(function: Any) -> Handler:
    """Make a Handler whose app accepts the connection and runs the function. Raises SignatureRefused."""
    signature = inspect_callable(function, ACCEPTED, _argument)
    what = f"{signature.where} {signature.text}"
    if sum(argument.source is ArgumentSource.WEBSOCKET for argument in signature.arguments) != 1:
        raise SignatureRefused(f"{what}: it takes no WebSocket, or more than one. {ACCEPTED}")
    if not is_async(inspect.unwrap(function)):
        raise SignatureRefused(f"{what}: it awaits each message, so it is `async def`. {ACCEPTED}")
    call = on_loop(function)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = Stream(scope, receive, send)
        await websocket.accept()
        given = {ArgumentSource.WEBSOCKET: websocket, ArgumentSource.ENGINE: websocket.app.state.engine}
        await call(*signature.by_position(given), **signature.by_keyword(given))

    return Handler(function, signature, app)


def _argument(parameter: inspect.Parameter, *, first: bool, text: str, where: str) -> Argument | None:
    if parameter.kind in VARIADIC:  # `*args` first: a decorator without functools.wraps
        is_args = first and parameter.kind is inspect.Parameter.VAR_POSITIONAL
        return Argument(parameter, ArgumentSource.WEBSOCKET) if is_args else None
    bare = without_none(parameter.annotation)
    if first and parameter.name == "self" and bare is inspect.Parameter.empty:
        refuse_method(text, where)
    if inspect.isclass(bare) and issubclass(bare, Engine):
        return Argument(parameter, ArgumentSource.ENGINE)
    if _is_socket(parameter, bare, first=first):
        return Argument(parameter, ArgumentSource.WEBSOCKET)
    if parameter.default is not inspect.Parameter.empty:
        return None
    raise SignatureRefused(f"{where} {text}: the parameter {parameter.name!r} cannot be given. {ACCEPTED}")


def _is_socket(parameter: inspect.Parameter, bare: Any, *, first: bool) -> bool:
    if bare is inspect.Parameter.empty:
        return first and parameter.default is inspect.Parameter.empty
    return inspect.isclass(bare) and issubclass(bare, WebSocket)
