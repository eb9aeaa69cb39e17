"""Runs a request through the script's functions: `transform_fn`, or `input_fn`, `predict_fn` and `output_fn`."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from handrail.core.answers import is_stream, to_response
from handrail.core.blocking import BlockingEngine, asking_for
from handrail.core.calling import Part, on_loop
from handrail.core.remarks import Remarks
from handrail.core.slots import Slot
from handrail.core.tracebacks import code_of
from handrail.styles.inference_toolkit.context import Context
from handrail.styles.inference_toolkit.decoding import decode
from handrail.styles.inference_toolkit.encoding import encode, to_json
from handrail.styles.inference_toolkit.functions import Function
from handrail.styles.inference_toolkit.media import ANY, AS_TEXT, JSON, MediaType, one_of

_UNLIMITED: AbstractAsyncContextManager[None] = nullcontext()
#: Statuses whose answers have no body.
_EMPTY = (204, 205, 304)


class Arrival(NamedTuple):
    """A request as the functions see it."""

    data: Any
    content_type: str | None
    accept: str
    context: Context


class ToolkitFlow:
    """`app` is the ASGI application of /invocations; it raises the functions' exceptions.

    `workers` is the number of requests that are worked on at once, and None for no bound.
    """

    def __init__(self, functions: Mapping[str, Function], workers: int | None, default_accept: str) -> None:
        self._functions = functions
        self._calls = {name: on_loop(one.function) for name, one in functions.items()}
        self._decode, self._encode = on_loop(decode), on_loop(partial(encode, default=default_accept))
        self._workers = workers
        self._default_accept = default_accept
        self._limit: asyncio.Semaphore | None = None
        self._model: Any = None
        self._engine: BlockingEngine
        self._properties: Mapping[str, Any] = {}
        self._last = next(functions[n] for n in ("transform_fn", "output_fn", "predict_fn") if n in functions)
        self._look = Remarks(self._last.name, self._last.signature.where).check

    async def begin(self, engine: BlockingEngine, properties: Mapping[str, Any]) -> None:
        """Run the functions that load the model. Called in the event loop, before the first request."""
        self._limit = None if self._workers is None else asyncio.Semaphore(self._workers)
        self._engine, self._properties = engine, properties
        context, folder = Context(properties, engine), properties["model_dir"]
        if "pre_model_fn" in self._functions:
            await self._call("pre_model_fn", context, folder)
        has_own = "model_fn" in self._functions
        self._model = await self._call("model_fn", context, folder) if has_own else engine
        if "model_warmup_fn" in self._functions:
            await self._call("model_warmup_fn", context, folder, self._model)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        body = await request.body()
        waits = self._limit is not None and self._limit.locked()
        async with self._limit or _UNLIMITED:
            if waits and await request.is_disconnected():
                raise ClientDisconnect
            with asking_for(request):  # a stream goes on in here
                response = await self._answer(self._asked(request, body))
                await response(scope, receive, send)

    def part_of(self, error: BaseException) -> Part:
        """The function that raised `error`: the first of the script's that its traceback enters. An error of none is
        of what the last one returned."""
        codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
        by_code = {code_of(one.function): one for one in reversed([*self._functions.values()])}
        found = next((by_code[code] for code in codes if code in by_code), self._last)
        return Part(found.name, found.function)

    def _asked(self, request: Request, body: bytes) -> Arrival:
        media = MediaType(request.headers.get("content-type"))
        accept = ", ".join(request.headers.getlist("accept"))
        data = media.decoded(body) if media.bare in AS_TEXT else body
        wanted = self._default_accept if accept in ("", ANY) else accept
        return Arrival(data, media.text, wanted, Context(self._properties, self._engine, request))

    async def _answer(self, asked: Arrival) -> Response:
        data, content_type, accept, context = asked
        if "transform_fn" in self._functions:
            result = await self._call("transform_fn", context, self._model, data, content_type, accept)
            return await self._response(result, asked)
        if "input_fn" in self._functions:
            data = await self._call("input_fn", context, data, content_type)
        else:
            data = await self._decode(data, content_type)
        prediction = await self._call("predict_fn", context, data, self._model)
        if "output_fn" in self._functions:
            prediction = await self._call("output_fn", context, prediction, accept)
        elif not is_stream(prediction) and not isinstance(prediction, Response):
            prediction = await self._encode(prediction, accept)
        return await self._response(prediction, asked)

    async def _call(self, name: str, context: Context, *given: Any) -> Any:
        positional, keywords = self._functions[name].arguments(given, context)
        return await self._calls[name](*positional, **keywords)

    async def _response(self, result: Any, asked: Arrival) -> Response:
        """The answer, with the status and the headers of the context."""
        body, kind = _told(result)
        status, _ = asked.context.get_response_status(0)
        if status in _EMPTY:
            return Response(status_code=status)
        headers = dict(asked.context.get_response_headers(0))
        kind = kind or headers.pop("content-type", None)
        if is_stream(body) or isinstance(body, Response):
            response = await to_response(body, Slot.INVOCATION)
            headers |= {"content-type": kind} if kind else {}
        else:
            response, own = self._whole(body)
            headers["content-type"] = kind or own or one_of(asked.accept, self._default_accept)
        response.status_code = response.status_code if status == 200 else status
        response.headers.update(headers)
        return response

    def _whole(self, body: Any) -> tuple[Response, str | None]:
        """The response, and its content type if the body is no text: it is sent as JSON then."""
        if body is None:
            self._look(body)
        if isinstance(body, str | bytes | bytearray | memoryview):
            return Response(body.encode("utf-8", "replace") if isinstance(body, str) else bytes(body)), None
        return Response(to_json(body)), JSON


def _told(result: Any) -> tuple[Any, str | None]:
    """The body and, where the author gave it, the content type. Raises TypeError for another tuple."""
    if not isinstance(result, tuple):
        return result, None
    if len(result) != 2 or not isinstance(result[1], str):
        kinds = ", ".join(type(one).__name__ for one in result)
        raise TypeError(f"a tuple of ({kinds}) is no answer: return the body, or (body, content_type)")
    return result
