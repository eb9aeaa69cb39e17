"""What a handler may return, and what the client gets.

| returned                                          | the client gets                                              |
|---------------------------------------------------|--------------------------------------------------------------|
| a Starlette `Response`                            | it, untouched                                                |
| dict, list, number, str, None, model, dataclass   | JSON, as FastAPI encodes it                                  |
| a generator whose first item is a `str`           | text/plain, or text/event-stream after `data:` or `event:`   |
| … is `bytes`                                      | application/octet-stream                                     |
| … is anything else                                | server-sent events, one JSON `data:` each, then `[DONE]`     |
| in the ping slot: True or None, False             | 200, 503                                                     |
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

from fastapi.encoders import jsonable_encoder
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Send

from handrail.slots import Slot

_DONE = b"data: [DONE]\n\n"


async def to_response(value: Any, slot: Slot) -> Response:
    """Raises what the first item of a generator raises, so that it still has its status."""
    if isinstance(value, Response):
        return value
    if is_stream(value):
        return await _streamed(value)
    if slot is Slot.PING and (value is None or isinstance(value, bool)):
        return Response(status_code=503 if value is False else 200)
    return JSONResponse(jsonable_encoder(value))


def is_stream(value: Any) -> bool:
    return inspect.isgenerator(value) or inspect.isasyncgen(value)


class HandlerStream(StreamingResponse):
    """A generator's items as they come; the generator is closed as soon as the client leaves."""

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):  # type: ignore[type-var]  # always one of our async generators
            await super().stream_response(send)


async def _streamed(generator: Any) -> Response:
    items = generator if inspect.isasyncgen(generator) else _in_threads(generator)
    try:
        first = await anext(items)
    except StopAsyncIteration:
        return Response(media_type="text/plain")
    media_type, encode, last = _framing(first)
    return HandlerStream(_encoded(first, items, encode, last), media_type=media_type)


async def _in_threads(generator: Iterator[Any]) -> AsyncIterator[Any]:
    """A plain generator, each step of it in the thread pool, so that it cannot block the event loop."""
    ended = object()
    try:
        while (item := await run_in_threadpool(next, generator, ended)) is not ended:
            yield item
    finally:
        await run_in_threadpool(generator.close)  # type: ignore[attr-defined]  # an iterator here is a generator


def _framing(first: Any) -> tuple[str, Callable[[Any], bytes], bytes]:
    """Media type, encoder and last chunk of a stream that begins with `first`."""
    if isinstance(first, bytes | bytearray | memoryview):
        return "application/octet-stream", bytes, b""
    if isinstance(first, str):
        is_sse = first.startswith(("data:", "event:"))
        return "text/event-stream" if is_sse else "text/plain", _text, b""
    return "text/event-stream", _event, _DONE


def _text(item: Any) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()


def _event(item: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps(jsonable_encoder(item), separators=(",", ":"), ensure_ascii=False).encode()


async def _encoded(
    first: Any, rest: AsyncIterator[Any], encode: Callable[[Any], bytes], last: bytes
) -> AsyncIterator[bytes]:
    async with aclosing(rest):  # type: ignore[type-var]  # async generators, all of them
        yield encode(first)
        async for item in rest:
            yield encode(item)
        if last:
            yield last
