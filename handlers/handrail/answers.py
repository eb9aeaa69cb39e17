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
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import aclosing
from typing import Any

from anyio import CancelScope
from fastapi.encoders import jsonable_encoder
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Send

from handrail.slots import AdapterSlot, Slot

_BYTES = bytes | bytearray | memoryview
_DONE = b"data: [DONE]\n\n"


async def to_response(value: Any, slot: Slot | AdapterSlot) -> Response:
    """Raises what the first item of a generator raises, so that it still has its status."""
    if isinstance(value, Response):
        return value
    if is_stream(value):
        return await _streamed(value)
    if slot is Slot.PING and (value is None or isinstance(value, bool)):
        return Response(status_code=503 if value is False else 200)
    return JSONResponse(encoded(value))


def encoded(value: Any) -> Any:
    """As FastAPI encodes it; arrays and numbers of NumPy too, where it is imported."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return jsonable_encoder(value)
    plain: Callable[[Any], Any] = lambda item: item.tolist()  # noqa: E731  the same for both
    return jsonable_encoder(value, custom_encoder={numpy.ndarray: plain, numpy.generic: plain})


def is_stream(value: Any) -> bool:
    return inspect.isgenerator(value) or inspect.isasyncgen(value)


class HandlerStream(StreamingResponse):
    """A generator's items as they come; the generator is closed as soon as the client leaves."""

    def __init__(self, items: AsyncGenerator[Any], chunks: AsyncIterator[bytes], media_type: str) -> None:
        super().__init__(chunks, media_type=media_type)
        self._items = items

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._items):  # not left to `chunks`, which never runs where the first `send` fails
            await super().stream_response(send)


async def _streamed(generator: Any) -> Response:
    items = in_threads(generator) if inspect.isgenerator(generator) else generator
    try:
        first = await anext(items)
        media_type, encode, last = _framing(first)
        head = encode(first)
    except StopAsyncIteration:
        return Response(media_type="text/plain")
    except BaseException:  # what cannot be encoded still has its status, and the generator its end
        await items.aclose()
        raise
    return HandlerStream(items, _encoded(head, items, encode, last), media_type)


async def in_threads(generator: Generator[Any, Any, Any]) -> AsyncGenerator[Any]:
    """A plain generator, each step of it in the thread pool, so that it cannot block the event loop."""
    ended = object()
    try:
        while (item := await run_in_threadpool(next, generator, ended)) is not ended:
            yield item
    finally:
        with CancelScope(shield=True):  # a client that left cancels every further await, and this one has to happen
            await run_in_threadpool(generator.close)


def _framing(first: Any) -> tuple[str, Callable[[Any], bytes], bytes]:
    """Media type, encoder and last chunk of a stream that begins with `first`."""
    if isinstance(first, _BYTES):
        return "application/octet-stream", _raw, b""
    if isinstance(first, str):
        is_sse = first.startswith(("data:", "event:"))
        return "text/event-stream" if is_sse else "text/plain", _raw, b""
    return "text/event-stream", _event, _DONE


def _raw(item: Any) -> bytes:
    return bytes(item) if isinstance(item, _BYTES) else str(item).encode()


def _event(item: Any) -> bytes:
    data = json.dumps(encoded(item), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return b"data: %s\n\n" % data.encode()


async def _encoded(
    head: bytes, rest: AsyncIterator[Any], encode: Callable[[Any], bytes], last: bytes
) -> AsyncIterator[bytes]:
    yield head
    async for item in rest:
        yield encode(item)
    if last:
        yield last
