"""Turns a handler's return value into a response.

| returned                                          | the client gets                                              |
|---------------------------------------------------|--------------------------------------------------------------|
| a Starlette `Response`                            | it, unchanged                                                |
| dict, list, number, str, None, model, dataclass   | JSON, as FastAPI encodes it                                  |
| a generator whose first item is a `str`           | text/plain; text/event-stream if it begins like an event     |
| … is `bytes`                                      | application/octet-stream                                     |
| … is anything else                                | server-sent events, one JSON `data:` each, then `[DONE]`     |
| in the ping slot: True or None, False             | 200, 503                                                     |

Empty items do not count as the first. A lone surrogate, which JSON can carry and UTF-8 cannot, is sent as a JSON
escape, and as U+FFFD in text: it usually comes from a client, and is no fault of the handler that passes it on.
"""

from __future__ import annotations

import asyncio
import inspect
import json.encoder
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from typing import Any, NamedTuple

from anyio import CancelScope
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message, Send

from handrail.core.encoding import encoded, is_plain
from handrail.core.parts import has_more_parts
from handrail.core.presence import ClientLeft
from handrail.core.slots import AdapterSlot, Slot
from handrail.core.steps import ENDED, Steps
from handrail.core.threads import run_in_threadpool

_BYTES = bytes | bytearray | memoryview
_JSON = (b"content-type", b"application/json")
_DONE = b"data: [DONE]\n\n"
#: Parts of a value that is encoded in the event loop.
_MOST_PARTS = 2000
#: How a line of an event stream begins.
_FIELDS = ("data:", "event:", "id:", "retry:")


def _json_encoder() -> Callable[[Any], str]:
    """An encoder with the output of `JSONResponse`, for plain values, which have no cycles.

    A `JSONEncoder` creates its C encoder anew for each value, which takes longer than encoding a small one. Keeping it
    is undocumented, so `JSONEncoder` itself is used if the C encoder takes other arguments.
    """
    documented = json.JSONEncoder(check_circular=False, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    text = json.encoder.encode_basestring
    try:
        pieces = make(None, documented.default, text, None, ":", ",", False, False, False)
    except TypeError:
        return documented.encode
    return lambda value: "".join(pieces(value, 0))


_TO_JSON = _json_encoder()


class Rendered(str):
    """A value whose JSON is `body`. As it is text, FastAPI's encoder returns it as it is."""

    body: bytes


class JsonAnswer(JSONResponse):
    """Starlette's JSONResponse, which also encodes a lone surrogate."""

    def render(self, content: Any) -> bytes:
        if type(content) is Rendered:
            return content.body
        try:
            return super().render(content)
        except UnicodeEncodeError:
            return _escaped(content)


def _escaped(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


async def to_response(value: Any, slot: Slot | AdapterSlot) -> Response:
    """The response for `value`. Raises the exception of a generator's first item, so that it still gets its status."""
    if isinstance(value, Response):
        return value
    if is_stream(value):
        return await _streamed(value)
    if slot is Slot.PING and (value is None or isinstance(value, bool)):
        return Response(status_code=503 if value is False else 200)
    return await _json_answer(value)


async def _json_answer(value: Any) -> JsonAnswer:
    """The value as JSON. FastAPI's encoder, which takes some microseconds for each part, encodes many in a thread."""
    if is_plain(value):
        return JsonAnswer(value)
    if has_more_parts(value, _MOST_PARTS):
        return await run_in_threadpool(_encoded_answer, value)
    return _encoded_answer(value)


def _encoded_answer(value: Any) -> JsonAnswer:
    return JsonAnswer(encoded(value))


async def rendered(value: Any) -> Rendered:
    """The value for a route of FastAPI's, whose `response_class` is JsonAnswer."""
    made = Rendered()
    made.body = bytes((await _json_answer(value)).body)
    return made


async def send_json(value: Any, send: Send) -> None:
    """Send a plain value as `JSONResponse` would, in a tenth of the time."""
    start, body = _json_messages(value)
    whole = getattr(getattr(send, "__self__", None), "handrail_whole", None)
    if whole is not None:
        await whole(start, body)
        return
    await send(start)
    await send(body)


def _json_messages(value: Any) -> tuple[Message, Message]:
    try:
        body = _TO_JSON(value).encode()
    except UnicodeEncodeError:
        body = _escaped(value)
    headers = [(b"content-length", b"%d" % len(body)), _JSON]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


def is_stream(value: Any) -> bool:
    return inspect.isgenerator(value) or inspect.isasyncgen(value)


class Framing(NamedTuple):
    """How a stream's items become bytes; `last` is sent after all of them."""

    media_type: str
    encode: Callable[[Any], bytes]
    last: bytes


class HandlerStream(StreamingResponse):
    """Sends a generator's items as they come; closes the generator as soon as the client disconnects."""

    def __init__(self, first: bytes, items: AsyncGenerator[Any], framing: Framing) -> None:
        super().__init__(items, media_type=framing.media_type)
        self._first = first
        self._items = items
        self._framing = framing

    async def stream_response(self, send: Send) -> None:
        _, encode, last = self._framing
        async with aclosing(self._items):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            pour = getattr(getattr(send, "__self__", None), "handrail_pour", send)
            try:
                async for item in self._items:
                    await pour({"type": "http.response.body", "body": encode(item), "more_body": True})
            except ClientLeft:
                await self._run_unsent()
                raise
            await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _run_unsent(self) -> None:
        """Run the generator on until the server cancels it: it may check for the disconnect itself."""
        async for _ in self._items:
            await asyncio.sleep(0)


async def _streamed(generator: Any) -> Response:
    items = in_threads(generator) if inspect.isgenerator(generator) else generator
    try:
        while _is_empty(first := await anext(items)):
            pass
        framing = _framing(first)
        head = framing.encode(first)
    except StopAsyncIteration:
        return Response(media_type="text/plain")
    except BaseException:  # raised before the head is sent, so it gets its status; the generator is closed
        await items.aclose()
        raise
    return HandlerStream(head, items, framing)


def _is_empty(item: Any) -> bool:
    """Whether an item is empty and so does not determine the framing."""
    return isinstance(item, str | _BYTES) and len(item) == 0


async def in_threads(generator: Generator[Any, Any, Any]) -> AsyncGenerator[Any]:
    """Run each step of a plain generator in the thread pool, so that it cannot block the event loop."""
    steps = Steps(generator)
    try:
        while (item := await run_in_threadpool(steps.next)) is not ENDED:
            yield item
    finally:
        if steps.leave():
            with CancelScope(shield=True):  # a disconnect cancels every further await; the close must still run
                await run_in_threadpool(steps.close)


def _framing(first: Any) -> Framing:
    """The framing of a stream whose first item is `first`."""
    if isinstance(first, _BYTES):
        return Framing("application/octet-stream", _raw, b"")
    if isinstance(first, str):
        return Framing("text/event-stream" if _is_event(first) else "text/plain", _raw, b"")
    return Framing("text/event-stream", _event, _DONE)


def _is_event(first: str) -> bool:
    """Whether a text begins an event stream. A comment must be a whole line, since text may begin with a colon."""
    return first.startswith(_FIELDS) or (first.startswith(":") and "\n" in first)


def _raw(item: Any) -> bytes:
    if isinstance(item, _BYTES):
        return bytes(item)
    text = item if type(item) is str else str(item)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _event(item: Any) -> bytes:
    value = encoded(item)
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return b"data: %s\n\n" % data.encode()
    except UnicodeEncodeError:
        return b"data: %s\n\n" % _escaped(value)
