"""Runs a request through a Model: preprocess, predict under its limit, postprocess; or a single other method."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from handrail.core.answers import is_stream, to_response
from handrail.core.calling import AsyncHandler, Part, on_loop
from handrail.core.engine import Engine
from handrail.core.presence import watch_disconnect
from handrail.core.slots import Slot
from handrail.styles.truss import inputs
from handrail.styles.truss.methods import Method
from handrail.styles.truss.streams import gathered, timed, wants_whole

_UNLIMITED: AbstractAsyncContextManager[None] = nullcontext()


class Flow:
    """`app_of` makes the ASGI application of one endpoint of the Model; it raises the Model's exceptions.

    `concurrency` is the number of predict calls that run at once. If it is None, one runs at a time, as on Truss,
    unless the Model `batches`: then the engine gets all requests at once.
    """

    def __init__(
        self, methods: dict[str, Method], concurrency: int | None, timeout_s: float, *, batches: bool = False
    ) -> None:
        self._methods = methods
        self._calls: dict[str, AsyncHandler] = {}
        self._concurrency = concurrency
        self._batches = batches
        self._semaphore: asyncio.Semaphore | None = None
        self._timeout_s = timeout_s

    def begin(self, engine: Engine, instance: Any) -> None:
        """Bind the methods of the Model's instance; called before the first request."""
        self._calls = {name: on_loop(getattr(instance, name)) for name in self._methods}
        if self._concurrency is not None or not self._batches or engine.raw is None:
            self._semaphore = asyncio.Semaphore(self._concurrency or 1)

    def app_of(self, name: str) -> ASGIApp:
        answer = self._predict if name == "predict" else partial(self._answer, name)
        first = self._methods["preprocess" if name == "predict" and "preprocess" in self._methods else name]

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            await request.body()  # read fully: waiting for a disconnect would consume it
            request.state.watch_disconnect = partial(watch_disconnect, request, asyncio.get_running_loop())
            await answer(await inputs.read(first, request), request, send)

        return app

    async def socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the Model's `websocket` on a connection. Raises the Model's exceptions."""
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        await self._call("websocket", None, websocket)

    async def _predict(self, value: Any, request: Request, send: Send) -> None:
        if "preprocess" in self._methods:
            value = await self._preprocess(value, request)
        waits = self._semaphore is not None and self._semaphore.locked()
        async with self._semaphore or _UNLIMITED:
            if waits and await request.is_disconnected():
                raise ClientDisconnect
            result = await self._call("predict", value, request)
            if is_stream(result) or isinstance(result, Response):
                self._refuse_postprocess(result)
                return await self._respond(result, request, send)  # a stream holds the semaphore until it ends
        if "postprocess" in self._methods:
            return await self._postprocess(result, request, send)
        return await self._respond(result, request, send)

    async def _preprocess(self, value: Any, request: Request) -> Any:
        return await self._call("preprocess", value, request)

    async def _postprocess(self, result: Any, request: Request, send: Send) -> None:
        """Call postprocess and send its result: an error in sending is attributed to postprocess, too."""
        await self._respond(await self._call("postprocess", result, request), request, send)

    def step_of(self, error: BaseException) -> Part | None:
        """The step besides predict that raised `error`, if any."""
        codes = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
        name = next((name for name, code in _STEPS.items() if code in codes), None)
        return Part(self._methods[name].signature.name, self._methods[name].function) if name else None

    def _refuse_postprocess(self, result: Any) -> None:
        if "postprocess" in self._methods:
            raise TypeError(
                f"predict gave a {type(result).__name__}, which postprocess cannot take; give the value itself, "
                "or leave postprocess out"
            )

    async def _answer(self, name: str, value: Any, request: Request, send: Send) -> None:
        await self._respond(await self._call(name, value, request), request, send)

    async def _call(self, name: str, value: Any, request: HTTPConnection) -> Any:
        args, kwargs = self._methods[name].arguments(value, request)
        return await self._calls[name](*args, **kwargs)

    async def _respond(self, result: Any, request: Request, send: Send) -> None:
        if is_stream(result):
            result = timed(result, self._timeout_s)
            if wants_whole(request):
                result = await gathered(result)
        response = await to_response(result, Slot.INVOCATION)
        await response(request.scope, request.receive, send)


#: The code objects whose frames in a traceback identify the step.
_STEPS = {"preprocess": Flow._preprocess.__code__, "postprocess": Flow._postprocess.__code__}
