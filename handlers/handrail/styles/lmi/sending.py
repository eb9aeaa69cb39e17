"""What a script returned becomes the response: an Output, a stream of them, or any other answer."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from handrail.core.answers import Framing, HandlerStream, in_threads, is_stream, to_response
from handrail.core.calling import on_loop
from handrail.core.slots import Slot
from handrail.styles.inference_toolkit.context import Headers, RequestProcessor
from handrail.styles.lmi.answers import LINES
from handrail.styles.lmi.messages import DATA, to_json

_BYTES = bytes | bytearray | memoryview
_TEXT, _OCTETS = "text/plain", "application/octet-stream"


async def to_answer(value: Any) -> Response:
    """The response for what a function of the script returned."""
    if is_output(value):
        return await _of_output(value)
    if is_stream(value):
        return await _streamed(_one_by_one(value), None)
    if isinstance(value, str):
        return Response(value.encode("utf-8", "replace"), media_type=_TEXT)
    if isinstance(value, _BYTES):
        return Response(bytes(value), media_type=_OCTETS)
    return await to_response(value, Slot.INVOCATION)


def is_output(value: Any) -> bool:
    """Whether it is an Output, ours or that of the real package."""
    return all(hasattr(value, name) for name in ("code", "properties", "content"))


async def _of_output(output: Any) -> Response:
    require_success(output)
    items = getattr(output, "stream_content", None)
    if items is not None:
        formatter = getattr(output, "stream_formatter", None)
        return await _streamed(_formatted(_one_by_one(items), formatter), output)
    response = Response(body_of(output), _status(output), media_type=getattr(output, "kind", "application/json"))
    response.headers.update(_headers(output))
    return response


def require_success(output: Any) -> None:
    """Raises HTTPException where the Output is made with an error."""
    failure = getattr(output, "failure", None)
    if failure is not None:
        raise HTTPException(_status(output), str(failure))


def body_of(output: Any) -> bytes:
    """The content `data`, or the first one; a stream of several is one after the other elsewhere."""
    if output.content.is_empty():
        return b""
    found = output.content.get(DATA)
    return bytes(output.content.value_at(0) if found is None else found)


def _status(output: Any) -> int:
    code = output.code
    if isinstance(code, bool) or not isinstance(code, int) or not 200 <= code <= 599:
        raise ValueError(f"the code of the Output is {code!r}: write a number from 200 to 599")
    return code


def _headers(output: Any) -> dict[str, str]:
    """The properties, by their names in lower case. Raises ValueError for what is no header of an answer."""
    checked = RequestProcessor(Headers(()))
    for name, value in output.properties.items():
        checked.add_response_property(name, value)
    return checked.get_response_headers()


async def _one_by_one(items: Any) -> AsyncGenerator[Any]:
    """The items of any iterator; a plain one runs in threads."""
    if hasattr(items, "__aiter__"):
        pieces = aiter(items)
    else:
        pieces = in_threads(items if inspect.isgenerator(items) else (item for item in items))
    try:
        async for item in pieces:
            yield item
            if is_output(item) and getattr(item, "last", False):
                return
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


async def _formatted(items: AsyncIterator[Any], formatter: Callable[..., Any] | None) -> AsyncGenerator[Any]:
    call = None if formatter is None else on_loop(formatter)
    async for item in items:
        yield item if call is None else await call(item)


async def _streamed(items: AsyncGenerator[Any], output: Any) -> Response:
    """The response of a stream. The first item, or the Output that has the stream, gives the status and headers."""
    try:
        first = await anext(items)
    except StopAsyncIteration:
        first = b""
    try:
        head = first if output is None and is_output(first) else output
        begun = _piece(first)
        headers, status = ({}, 200) if head is None else (_headers(head), _status(head))
    except BaseException:  # raised before the head is sent, so it gets its status; the generator is closed
        await items.aclose()
        raise
    kind = headers.get("content-type", _kind_of(first))
    if kind == LINES:
        response = HandlerStream(_ended(begun, first), items, Framing(kind, _line, b""))
    else:
        response = HandlerStream(begun, items, Framing(kind, _piece, b""))
    response.status_code = status
    response.headers.update(headers)
    return response


def _kind_of(first: Any) -> str:
    return _TEXT if isinstance(first, str) else _OCTETS if isinstance(first, _BYTES) else LINES


def _line(item: Any) -> bytes:
    """A piece of a stream of JSON lines."""
    return _ended(_piece(item), item)


def _ended(piece: bytes, item: Any) -> bytes:
    """An Output need not end its line itself; other pieces are as they are."""
    return piece if not piece or piece.endswith(b"\n") or not is_output(item) else piece + b"\n"


def _piece(item: Any) -> bytes:
    """What is sent of an item: text and bytes as they are, a list of texts as LMI has it, else a line of JSON."""
    if is_output(item):
        require_success(item)
        return body_of(item)
    if isinstance(item, _BYTES):
        return bytes(item)
    if isinstance(item, str):
        return item.encode("utf-8", "replace")
    if isinstance(item, list) and all(isinstance(one, str) for one in item):
        item = {"outputs": item}
    return to_json(item).encode("utf-8", "replace") + b"\n"
