"""The two operations of the runtime API, in front of one container."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import NamedTuple

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from handrail_container.sagemaker.emulate import errors, eventstream, headers
from handrail_container.sagemaker.emulate.errors import ApiError, model_error, unavailable, validation
from handrail_container.sagemaker.emulate.health import ContainerHealth

logger = logging.getLogger("handrail.emulate")

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_VARIANT = "AllTraffic"
_TIMED_OUT = b"Your invocation timed out while waiting for a response from container primary. It has %g seconds."
_BROKEN = b"The container closed the connection without an answer."


@dataclass(frozen=True)
class Limits:
    """SageMaker's limits: bytes of a request, seconds for an answer, a streamed answer, and the first /ping."""

    body: int = 25 * 1024 * 1024
    invocation_s: float = 60
    stream_s: float = 480
    startup_s: float = 480


class RuntimeCall(NamedTuple):
    """A request for the container, with the deadline of its answer on the event loop's clock."""

    endpoint: str
    variant: str
    request: httpx.Request
    limit_s: float
    deadline: float


class Runtime:
    """The API in front of one container. `names` are the endpoints that exist; if empty, any name does."""

    def __init__(
        self, http: httpx.AsyncClient, health: ContainerHealth, names: Collection[str], limits: Limits
    ) -> None:
        self._http = http
        self._health = health
        self._names = names
        self._limits = limits

    def app(self) -> Starlette:
        routes = [
            Route("/endpoints/{name}/invocations", self.invoke, methods=["POST"]),
            Route("/endpoints/{name}/invocations-response-stream", self.invoke_stream, methods=["POST"]),
        ]
        handlers = {ApiError: errors.answer, 404: errors.answer_unknown, 405: errors.answer_unknown}
        return Starlette(routes=routes, exception_handlers=handlers)

    async def invoke(self, request: Request) -> Response:
        """InvokeEndpoint: the container's answer, whole."""
        call = await self._receive(request, streaming=False)
        response = await self._send(call)
        body = await self._read(response, call)
        return Response(body, headers=self._headers(response, call, streaming=False))

    async def invoke_stream(self, request: Request) -> Response:
        """InvokeEndpointWithResponseStream: the container's answer as events, chunk by chunk."""
        call = await self._receive(request, streaming=True)
        response = await self._send(call)
        named = self._headers(response, call, streaming=True)
        return StreamingResponse(events(response, call), headers=named, media_type=eventstream.MEDIA_TYPE)

    async def _receive(self, request: Request, *, streaming: bool) -> RuntimeCall:
        name = request.path_params["name"]
        if not _NAME.fullmatch(name) or (self._names and name not in self._names):
            raise validation(f"Endpoint {name} of account 000000000000 not found.")
        passed = headers.to_container(request.headers, streaming=streaming)
        body = await self._body(request)
        if self._health.reason is not None:
            raise unavailable(self._health.reason)
        limit_s = self._limits.stream_s if streaming else self._limits.invocation_s
        onward = self._http.build_request("POST", "/invocations", content=body)
        kept = {"host": onward.headers["host"], "content-length": str(len(body))}
        onward.headers = httpx.Headers({**kept, **passed})  # httpx would add an Accept and others of its own
        variant = passed.get("x-amzn-sagemaker-target-variant", _VARIANT)
        return RuntimeCall(name, variant, onward, limit_s, asyncio.get_running_loop().time() + limit_s)

    async def _body(self, request: Request) -> bytes:
        """Read the whole body even if it is too large: a client that is cut off while sending sees no reason."""
        pieces, size = [], 0
        async for piece in request.stream():
            size += len(piece)
            if size <= self._limits.body:
                pieces.append(piece)
        if size > self._limits.body:
            raise validation(f"Request {uuid.uuid4()} has oversize body: {size} bytes, over {self._limits.body}.")
        return b"".join(pieces)

    async def _send(self, call: RuntimeCall) -> httpx.Response:
        """Send the request; returns a 2xx answer with its body unread. Raises ApiError for any other outcome."""
        try:
            async with asyncio.timeout_at(call.deadline):
                response = await self._http.send(call.request, stream=True)
        except TimeoutError:
            raise model_error(call.endpoint, 0, _TIMED_OUT % call.limit_s) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            self._health.judge(f"it accepts no connection: {error}")
            raise unavailable(str(self._health.reason)) from None
        except httpx.TransportError:
            raise model_error(call.endpoint, 0, _BROKEN) from None
        if not response.is_success:
            raise model_error(call.endpoint, response.status_code, await self._read(response, call))
        return response

    async def _read(self, response: httpx.Response, call: RuntimeCall) -> bytes:
        try:
            async with asyncio.timeout_at(call.deadline):
                return b"".join([chunk async for chunk in response.aiter_raw()])
        except TimeoutError:
            raise model_error(call.endpoint, 0, _TIMED_OUT % call.limit_s) from None
        except httpx.TransportError:
            raise model_error(call.endpoint, 0, _BROKEN) from None
        finally:
            await response.aclose()

    def _headers(self, response: httpx.Response, call: RuntimeCall, *, streaming: bool) -> dict[str, str]:
        named = headers.to_client(response.headers, call.variant, streaming=streaming)
        return {**named, "x-amzn-RequestId": str(uuid.uuid4())}


async def events(response: httpx.Response, call: RuntimeCall) -> AsyncIterator[bytes]:
    """The answer's chunks as PayloadPart events; a failure becomes an exception message that ends the stream."""
    chunks = response.aiter_raw()
    try:
        while True:
            async with asyncio.timeout_at(call.deadline):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield eventstream.payload_parts(chunk)
    except TimeoutError:
        message = f"The container did not finish its answer within {call.limit_s:g} seconds."
        yield eventstream.exception("ModelStreamError", Message=message, ErrorCode="ModelInvocationTimeExceeded")
    except httpx.TransportError as error:
        message = f"The container broke its answer off: {error}"
        yield eventstream.exception("ModelStreamError", Message=message, ErrorCode="StreamBroken")
    except Exception as error:
        logger.exception("a bug of the emulator's, in a stream")
        yield eventstream.exception("InternalStreamFailure", Message=repr(error))
    finally:
        await response.aclose()
