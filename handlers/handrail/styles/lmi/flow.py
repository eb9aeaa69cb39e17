"""Runs a request through the script: `handle`, or the formatters around a prediction or around the engine's answer."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail.core import calling
from handrail.core.answers import Framing, HandlerStream
from handrail.core.blocking import BlockingEngine, asking_for
from handrail.core.calling import on_loop
from handrail.core.remarks import Remarks
from handrail.core.slots import ADAPTER_CODE
from handrail.core.tracebacks import code_of
from handrail.styles.inference_toolkit.media import JSON, MediaType
from handrail.styles.lmi.answers import LINES, SSE, events, framed, whole
from handrail.styles.lmi.decoding import decode
from handrail.styles.lmi.marks import HANDLE, INIT, INPUT, OUTPUT, PREDICTION, LmiFunction
from handrail.styles.lmi.messages import Input, input_of, refuse, to_json
from handrail.styles.lmi.sending import is_output, to_answer
from handrail.styles.lmi.tokenizers import tokenizer_of
from handrail.wrap.downstream import Downstream, replay

logger = logging.getLogger("handrail")

_NO_PIECE = 'it returned nothing for a piece of a stream: return it, or "" to send nothing of it'

_OF_BODY = (b"content-type", b"content-length", b"transfer-encoding")


class WrongReturn(TypeError):
    """A function returned what the next step cannot take; `part` is the function."""

    def __init__(self, part: LmiFunction, message: str) -> None:
        super().__init__(message)
        self.part = part


class Refused(RuntimeError):
    """`handle` answered the empty request of the start with an error."""


class LmiFlow:
    """`app` is the ASGI application of /invocations; it raises the functions' exceptions.

    `default` answers as /invocations does without a handler.
    """

    def __init__(self, functions: Mapping[str, LmiFunction], answering: LmiFunction) -> None:
        self._functions = functions
        self._calls = {name: on_loop(one.function) for name, one in functions.items()}
        self._answering = answering
        self._decode, self._whole = on_loop(decode), on_loop(whole)
        self._look = Remarks(answering.signature.name, answering.signature.where).check
        self._model: Any = None
        self._tokenizer: Any = None
        self._engine: BlockingEngine
        self._properties: Mapping[str, Any] = {}
        self.default: ASGIApp

    async def begin(self, engine: BlockingEngine, properties: Mapping[str, Any]) -> None:
        """Run what prepares the model. Called in the event loop, before the first request."""
        self._engine, self._properties, self._model = engine, properties, engine
        self._tokenizer = tokenizer_of(engine)
        if INIT in self._functions:
            self._model = await self._call(INIT, properties["model_dir"])
        if HANDLE in self._functions and not _is_async(self._functions[HANDLE].function):
            await self._begin_handle()

    async def _begin_handle(self) -> None:
        """LMI calls a plain `handle` once before the first request, with an empty one."""
        said = await self._call(HANDLE, self._input({}, b""))
        if is_output(said) and said.code >= 400:
            raise Refused(f"it answered the empty request of the start with {said.code}")
        if said is not None:
            logger.warning(
                "handle (%s) answers the empty request of the start, which is not sent: return None where "
                "inputs.is_empty()",
                self._functions[HANDLE].signature.where,
            )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        body = await request.body()
        with asking_for(request):  # a stream goes on in here
            if HANDLE in self._functions:
                await self._handled(request, body, send)
            else:
                await self._formatted(request, body, send)

    def part_of(self, error: BaseException) -> calling.Part:
        """The function that raised `error`: the first of the script's that its traceback enters, else the one that
        answers."""
        if isinstance(error, WrongReturn):
            found = error.part
        else:
            codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
            by_code = {code_of(one.function): one for one in self._functions.values()}
            found = next((by_code[code] for code in codes if code in by_code), self._answering)
        return calling.Part(found.signature.name, found.function)

    async def _handled(self, request: Request, body: bytes, send: Send) -> None:
        said = await self._call(HANDLE, self._input(request.headers, body))
        if said is None:  # as in LMI, the server's own handler answers
            await self.default(request.scope, replay(body, request.receive), send)
            return
        await (await to_answer(said))(request.scope, request.receive, send)

    async def _formatted(self, request: Request, body: bytes, send: Send) -> None:
        own = self._own(request)
        if own.isdisjoint((INPUT, PREDICTION)) and _is_json(request):
            await self._generated(request, body, send)
            return
        data = await self._decode(self._input(request.headers, body), request.headers.get("content-type"))
        if INPUT in own:
            data = await self._formatted_input(data, request)
        if PREDICTION in own:
            await (await self._predicted(data, own))(request.scope, request.receive, send)
        else:
            await self._generated(request, self._payload(data, request), send)

    def _own(self, request: Request) -> frozenset[str]:
        """The script's functions, without those in whose place the adapter of the request has its own."""
        code = request.scope["state"].get(ADAPTER_CODE)
        return frozenset(self._functions) - frozenset(() if code is None else map(str, code.formatters))

    async def _formatted_input(self, data: Any, request: Request) -> Any:
        given = {
            "tokenizer": self._tokenizer,
            "adapter_name": getattr(request.state, "adapter", None),
            "content_type": request.headers.get("content-type"),
        }
        function = self._functions[INPUT]
        data = await self._call(INPUT, data, **{name: given[name] for name in function.named})
        if data is None:
            raise WrongReturn(function, "it returned nothing: return the dict that it was given, or another")
        return data

    async def _predicted(self, data: Any, own: frozenset[str]) -> Response:
        value = await self._call(PREDICTION, data, self._model)
        if OUTPUT in own:
            value = await self._call(OUTPUT, value)
        if value is None:
            self._look(value)
        return await to_answer(value)

    def _payload(self, data: Any, request: Request) -> bytes:
        """The body for the engine."""
        try:
            return to_json(data, refuse).encode()
        except (TypeError, ValueError) as error:
            if INPUT not in self._functions:
                kind = MediaType(request.headers.get("content-type")).bare
                raise HTTPException(415, f"the body is {kind}, of which an @input_formatter has to make text") from None
            raise WrongReturn(
                self._functions[INPUT], f"it returned what is no JSON ({error}): return a dict for the engine"
            ) from error

    async def _generated(self, request: Request, body: bytes, send: Send) -> None:
        """The engine's answer, through the output formatter if there is one."""
        scope, receive = _as_json(request.scope, body), replay(body, request.receive)
        if OUTPUT not in self._own(request):
            await self.default(scope, receive, send)
            return
        async with Downstream(self.default, request.receive) as downstream:
            response = await downstream.call_next(Request(scope, receive))
            told = await self._formatted_output(response)
            await told(request.scope, request.receive, send)

    async def _formatted_output(self, response: Response) -> Response:
        kind = response.headers.get("content-type", "").partition(";")[0]
        if response.status_code >= 400:
            return response
        if kind in (SSE, LINES):
            return await self._formatted_stream(response, kind)
        body = b"".join([piece async for piece in response.body_iterator])  # type: ignore[attr-defined]
        said = await self._call(OUTPUT, await self._whole(body))
        if said is None:
            raise WrongReturn(self._functions[OUTPUT], "it returned nothing: return what is to be sent")
        if isinstance(said, str):
            return Response(said.encode("utf-8", "replace"), media_type=JSON)
        return await to_answer(said)

    async def _formatted_stream(self, response: Response, kind: str) -> Response:
        pieces = self._pieces(response, kind)
        try:
            while not (first := await anext(pieces)):
                pass
        except StopAsyncIteration:
            return Response(media_type=kind)
        except BaseException:  # raised before the head is sent, so it gets its status; the generator is closed
            await pieces.aclose()
            raise
        return HandlerStream(first, pieces, Framing(kind, bytes, b""))

    async def _pieces(self, response: Response, kind: str) -> AsyncGenerator[bytes]:
        """What is sent of each event; an error of the engine's passes as it is."""
        async with aclosing(events(response, kind)) as every:
            async for event in every:
                said = event.text if event.is_error else await self._call(OUTPUT, event.text)
                if said is None:
                    raise WrongReturn(self._functions[OUTPUT], _NO_PIECE)
                yield framed(said, event, kind)
                if event.is_error:
                    return

    def _input(self, headers: Mapping[str, str], body: bytes) -> Input:
        return input_of(headers, body, self._properties, self._engine)

    async def _call(self, name: str, *given: Any, **named: Any) -> Any:
        return await self._calls[name](*given, **named)


def _is_async(function: Any) -> bool:
    """Whether LMI has it in its asynchronous mode, which has no call at the start. Generators are of that mode too."""
    return calling.is_async(function) or inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)


def _is_json(request: Request) -> bool:
    media = MediaType(request.headers.get("content-type"))
    return media.is_json or not media.bare


def _as_json(scope: Scope, body: bytes) -> Scope:
    """The same request with a body of JSON."""
    headers = [(name, value) for name, value in scope["headers"] if name not in _OF_BODY]
    more = [(b"content-type", JSON.encode()), (b"content-length", str(len(body)).encode())]
    return {**scope, "headers": [*headers, *more]}
