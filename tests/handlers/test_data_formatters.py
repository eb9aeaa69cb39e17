"""Formatters that see JSON: bodies, whole answers, and each chunk of a stream."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from handrail.core.errors import SignatureRefused
from handrail.wrap.data_formatters import data_input_formatter, data_output_formatter
from handrail.wrap.middleware import WrapperRaised
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LINES = "application/jsonlines"
EVENTS = "text/event-stream"


def answering(make: Callable[[Request], Any]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await request.body()
        response: Response = make(request)
        await response(scope, receive, send)

    return app


async def asked(app: ASGIApp, body: bytes = b"{}") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        return await client.post("/", content=body)


async def given(function: Any, body: bytes) -> tuple[bytes, int]:
    """What the application gets in place of a body, and the length that it is told."""
    app = answering(lambda request: PlainTextResponse(request._body, headers={"L": request.headers["content-length"]}))
    answer = await asked(data_input_formatter(function)(app), body)
    return answer.content, int(answer.headers["L"])


async def put(function: Any, response: Callable[[], Response]) -> httpx.Response:
    """The answer in place of `response`."""
    return await asked(data_output_formatter(function)(answering(lambda _: response())))


def streamed(kind: str, *pieces: str) -> Callable[[], Response]:
    async def body() -> AsyncIterator[str]:
        for piece in pieces:
            yield piece

    return lambda: StreamingResponse(body(), media_type=kind)


def counted(data: Any) -> Any:
    return {"n": data["n"] + 1}


async def counted_later(data: Any) -> Any:
    return counted(data)


@functools.wraps(counted_later)
def wrapped(data: Any) -> Any:
    return counted_later(data)


class Counting:
    async def __call__(self, data: Any) -> Any:
        return counted(data)


def marked(data: Any) -> None:
    data["marked"] = True


def fails(data: Any) -> Any:
    raise LookupError("no luck")


@pytest.mark.parametrize("function", [counted, counted_later, wrapped, Counting()])
async def test_a_body_is_what_the_formatter_returns(function: Any) -> None:
    assert await given(function, b'{"n": 1}') == (b'{"n": 2}', 8)
    large = {"n": 1, "text": "x" * 20_000}
    assert (await given(function, json.dumps(large).encode()))[0] == b'{"n": 2}'


async def test_none_keeps_a_body_with_its_changes() -> None:
    assert (await given(marked, b'{"n": 1}'))[0] == b'{"n": 1, "marked": true}'


@pytest.mark.parametrize("body", [b"no JSON", b"[1]", b"", b"\xff", b"[" * 100_000])
async def test_what_is_no_object_is_not_formatted(body: bytes) -> None:
    assert (await given(fails, body))[0] == body


async def test_the_adapter_stays_named_unless_another_is() -> None:
    """A formatter that builds a body anew need not know that the name selects the adapter."""
    assert json.loads((await given(counted, b'{"n": 1, "model": "poet"}'))[0]) == {"n": 2, "model": "poet"}
    assert json.loads((await given(lambda _: {"model": "other"}, b'{"model": "poet"}'))[0]) == {"model": "other"}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (fails, "no luck"),
        (lambda _: ["x"], "an input formatter returns the body, a dict, and not a list"),
        (lambda _: {"x": {1}}, "Object of type set is not JSON serializable"),
    ],
)
async def test_a_failing_formatter_is_told_as_its_own_fault(function: Any, said: str) -> None:
    with pytest.raises(WrapperRaised) as raised:
        await given(function, b"{}")
    assert said in str(raised.value.__cause__)


@pytest.mark.parametrize("adapt", [data_input_formatter, data_output_formatter])
@pytest.mark.parametrize("function", [lambda: None, lambda one, two: None, 1])
def test_other_parameters_are_refused(adapt: Any, function: Any) -> None:
    with pytest.raises(SignatureRefused, match=r"formatter takes .*\(data\)"):
        adapt(function)


@pytest.mark.parametrize("function", [counted, counted_later])
async def test_a_whole_answer_is_formatted_once(function: Any) -> None:
    for response in (lambda: JSONResponse({"n": 1}), streamed("application/json; charset=utf-8", '{"n"', ": 1}")):
        assert (await put(function, response)).json() == {"n": 2}


@pytest.mark.parametrize("function", [counted, counted_later])
async def test_each_chunk_is_formatted_however_it_is_split(function: Any) -> None:
    events = 'data: {"n": 1}\n\ndata:{"n": 2}\n\ndata: [DONE]\n\n'
    expected = 'data: {"n": 2}\n\ndata: {"n": 3}\n\ndata: [DONE]\n\n'
    for pieces in ([events], events, [events.replace("\n", "\r\n")], list(events.replace("\n", "\r\n"))):
        assert (await put(function, streamed(EVENTS, *pieces))).text == expected
    assert (await put(function, streamed(LINES, '{"n": 1}\n{"n"', ": 2}\n"))).text == '{"n": 2}\n{"n": 3}\n'


async def test_what_stands_around_the_data_stays() -> None:
    """Comments, names of events, data in several lines, what comes after the last end; errors are not formatted."""
    kept = ": alive\n\nevent: error\ndata: {}\n\ndata: [1,\ndata: 2]\n\ndata: no JSON\n\ndata: null\n\ndata: {}"
    assert (await put(fails, streamed(EVENTS, kept))).text == kept
    event = 'event: x\nid: 1\ndata: {"n": 1, "url": "data: x"}\nretry: 1\n\n'
    assert (await put(counted, streamed(EVENTS, event))).text == 'event: x\nid: 1\ndata: {"n": 2}\nretry: 1\n\n'


async def test_other_answers_pass_as_they_are() -> None:
    for response in (
        lambda: JSONResponse({"error": {}}, 400),
        lambda: PlainTextResponse("x"),
        lambda: Response(b"\xff", media_type="application/json"),
        lambda: Response(b"x"),
    ):
        expected: Response = response()
        answer = await put(fails, response)
        assert (answer.status_code, answer.content) == (expected.status_code, expected.body)


@pytest.mark.parametrize("response", [lambda: JSONResponse({}), streamed(EVENTS, "data: {}\n\n")])
async def test_a_failing_output_formatter_is_told_as_its_own_fault(response: Any) -> None:
    with pytest.raises(WrapperRaised):
        await put(fails, response)
    with pytest.raises(WrapperRaised):
        await put(lambda _: {1}, response)
