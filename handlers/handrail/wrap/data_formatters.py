"""Adapts formatters of an adapter's `model.py`, which see JSON and not requests: `input_formatter(data)` gets the body
of each request, `output_formatter(data)` gets each answer, and each chunk of one that is streamed.

What is returned takes the place of what was given; None keeps it, with the changes that were made in it. A body that
is no JSON object, an answer that is no JSON, and errors pass as they are.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail.core.calling import is_async
from handrail.core.threads import run_in_threadpool
from handrail.wrap.downstream import CallNext, forwarded
from handrail.wrap.middleware import Wrap, WrapperRaised, around, of_arity

#: Bytes. Larger bodies are parsed in a thread, off the event loop.
_LARGE = 16_384
_EVENTS = "text/event-stream"
_LINES = ("application/jsonlines", "application/x-jsonlines", "application/jsonl", "application/x-ndjson")
_DATA = b"data:"

Formats = Callable[[list[Any]], Awaitable[list[Any]]]


def data_input_formatter(function: Any) -> Wrap:
    """Adapt `f(data)`. Raises SignatureRefused if it does not take the data alone."""
    formats = _of_many(function, "an adapter's input formatter takes the body of the request: input_formatter(data)")

    def wrap(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            data = await parsed(await request.body())
            if isinstance(data, dict):
                request._body = await _formatted(formats, data, function)
            await app(*forwarded(request, receive), send)

        return wrapped

    return wrap


def data_output_formatter(function: Any) -> Wrap:
    """Adapt `f(data)`. Raises SignatureRefused if it does not take the data alone."""
    formats = _of_many(function, "an adapter's output formatter takes an answer: output_formatter(data)")

    async def after(request: Request, call_next: CallNext) -> Response:
        response: Any = await call_next(request)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code >= 400:
            return response  # type: ignore[no-any-return]  # a response of the layer inside
        if kind == _EVENTS:
            response.body_iterator = _pieces(response.body_iterator, b"\n\n", _event, formats, function)
        elif kind in _LINES:
            response.body_iterator = _pieces(response.body_iterator, b"\n", _line, formats, function)
        elif kind == "application/json":
            await _format_whole(response, formats, function)
        return response  # type: ignore[no-any-return]

    return around(after)


async def parsed(body: bytes) -> Any:
    """The JSON of a body; None if it has none."""
    return await run_in_threadpool(_of_json, body) if len(body) > _LARGE else _of_json(body)


def _of_many(function: Any, accepted: str) -> Formats:
    """`function` for several values, in one turn of a thread if it is a `def`. Raises SignatureRefused."""
    of_one = of_arity(function, 1, accepted)
    if is_async(inspect.unwrap(function)):

        async def each(values: list[Any]) -> list[Any]:
            return [_kept(await of_one(value), value) for value in values]

        return each

    def all_of(values: list[Any]) -> list[Any]:
        return [_kept(function(value), value) for value in values]

    return of_arity(all_of, 1, accepted)


def _kept(result: Any, value: Any) -> Any:
    return value if result is None else result


async def _formatted(formats: Formats, data: dict[str, Any], function: Any) -> bytes:
    """The body in place of `data`. The adapter that `data` names stays named, whatever else was built anew."""
    model = data.get("model")
    (result,) = await formats([data])
    if not isinstance(result, dict):
        refused = TypeError(f"an input formatter returns the body, a dict, and not a {type(result).__name__}")
        raise WrapperRaised(function) from refused
    if model is not None:
        result.setdefault("model", model)
    return _json(result, function)


def _json(value: Any, function: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise WrapperRaised(function) from error


async def _format_whole(response: Any, formats: Formats, function: Any) -> None:
    """Format an answer before any of it is sent: a failing formatter is answered with its own status."""
    is_one = "body" in vars(response)
    body = response.body if is_one else b"".join([piece async for piece in response.body_iterator])
    data = await parsed(body)
    told = body if data is None else _json((await formats([data]))[0], function)
    if is_one:
        response.body = told
    else:
        response.body_iterator = _once(told)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


class _Chunk(NamedTuple):
    """A chunk of a stream: `data` between the texts around it. None for what is not formatted: `[DONE]`, errors."""

    text: bytes
    data: Any = None
    before: bytes = b""
    after: bytes = b""


Reads = Callable[[bytes], _Chunk]


async def _pieces(
    pieces: AsyncIterator[bytes], end: bytes, read: Reads, formats: Formats, function: Any
) -> AsyncIterator[bytes]:
    """A stream of chunks, each ended by `end`, however they are split into pieces."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).replace(b"\r\n", b"\n").split(end)
        if whole:
            chunks = [read(text) for text in whole]
            results = iter(await formats([chunk.data for chunk in chunks if chunk.data is not None]))
            yield b"".join(_told(chunk, results, function) + end for chunk in chunks)
    if rest:
        yield rest


def _told(chunk: _Chunk, results: Iterator[Any], function: Any) -> bytes:
    return chunk.text if chunk.data is None else chunk.before + _json(next(results), function) + chunk.after


def _event(text: bytes) -> _Chunk:
    lines = text.split(b"\n")
    places = [place for place, line in enumerate(lines) if line.startswith(_DATA)]
    if len(places) != 1 or b"event: error" in lines:
        return _Chunk(text)
    place = places[0]
    before, after = lines[:place], lines[place + 1 :]
    data = _of_json(lines[place].removeprefix(_DATA))
    return _Chunk(text, data, b"\n".join([*before, _DATA + b" "]), b"\n".join([b"", *after]) if after else b"")


def _line(text: bytes) -> _Chunk:
    return _Chunk(text, _of_json(text))


def _of_json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
