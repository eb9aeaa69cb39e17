"""The user's code around a handler: what it sees, what it may change, and what it costs a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from handrail.core.errors import SignatureRefused
from handrail.wrap.downstream import replay
from handrail.wrap.middleware import Wrap, WrapperRaised, input_formatter, middleware, output_formatter
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the request's body and one of its headers."""
    request = Request(scope, receive)
    body = await request.body()
    headers = {"X-Seen": request.headers.get("x-added", "")}
    await Response(body, headers=headers, media_type="application/json")(scope, receive, send)


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    async def pieces() -> AsyncIterator[str]:
        for piece in ("one ", "two ", "three"):
            yield piece

    await StreamingResponse(pieces(), media_type="text/plain")(scope, receive, send)


async def cut(scope: Scope, receive: Receive, send: Send) -> None:
    """A stream that stops before its last piece."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """No answer at all."""


async def post(app: ASGIApp, body: Any = None) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post("/invocations", json=body)


async def raw_messages(app: ASGIApp) -> list[Message]:
    """Every message `app` sends for an empty POST."""
    sent: list[Message] = []
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return requests.pop() if requests else await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}, receive, send)
    return sent


async def test_an_input_formatter_may_replace_the_body() -> None:
    async def shout(request: Request) -> Request:
        request._body = (await request.body()).upper()
        return request

    assert (await post(input_formatter(shout)(echo), "hello")).json() == "HELLO"


async def test_a_longer_body_gets_its_own_content_length() -> None:
    async def wrap(request: Request) -> None:
        request._body = json.dumps({"wrapped": await request.json()}).encode()

    assert (await post(input_formatter(wrap)(echo), "x")).json() == {"wrapped": "x"}


async def test_an_input_formatter_may_only_look() -> None:
    async def look(request: Request) -> None:
        assert request.url.path == "/invocations"

    assert (await post(input_formatter(look)(echo), "hello")).json() == "hello"


async def test_an_input_formatter_may_return_another_request() -> None:
    async def add_header(request: Request) -> Request:
        scope = {**request.scope, "headers": [*request.scope["headers"], (b"x-added", b"yes")]}
        return Request(scope, request.receive)

    assert (await post(input_formatter(add_header)(echo), 1)).headers["x-seen"] == "yes"


async def test_an_input_formatter_may_answer_itself() -> None:
    async def refuse(request: Request) -> Response:
        return PlainTextResponse("no", 403)

    assert (await post(input_formatter(refuse)(echo))).status_code == 403


async def test_a_plain_function_runs_in_a_thread() -> None:
    def look(request: Request) -> None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()

    assert (await post(input_formatter(look)(echo), 1)).status_code == 200


async def test_an_http_exception_keeps_its_status_on_the_way() -> None:
    async def invalid(request: Request) -> None:
        raise HTTPException(400, "say please")

    with pytest.raises(HTTPException, match="say please"):
        await post(input_formatter(invalid)(echo))


@pytest.mark.parametrize("form", [input_formatter, output_formatter])
async def test_what_a_formatter_raises_names_the_formatter(form: Callable[[Any], Wrap]) -> None:
    async def broken(value: Any) -> None:
        raise KeyError("prompt")

    with pytest.raises(WrapperRaised, match="broken") as caught:
        await post(form(broken)(echo))
    assert isinstance(caught.value.__cause__, KeyError)


async def test_an_output_formatter_reads_and_changes_the_body_and_the_headers() -> None:
    async def add(response: Response) -> Response:
        data = json.loads(response.body)
        response.body = json.dumps({"data": data, "more": "longer"}).encode()
        response.headers["X-Formatted"] = "yes"
        return response

    answer = await post(output_formatter(add)(echo), {"a": 1})
    assert answer.json() == {"data": {"a": 1}, "more": "longer"}
    assert answer.headers["x-formatted"] == "yes"
    assert int(answer.headers["content-length"]) == len(answer.content)


async def test_an_output_formatter_that_returns_nothing_keeps_the_response() -> None:
    async def look(response: Response) -> None:
        response.headers["X-Looked"] = "yes"

    answer = await post(output_formatter(look)(echo), "same")
    assert (answer.json(), answer.headers["x-looked"]) == ("same", "yes")


async def test_an_output_formatter_may_return_a_new_response() -> None:
    async def replace(response: Response) -> Response:
        return JSONResponse({"was": response.status_code})

    assert (await post(output_formatter(replace)(echo))).json() == {"was": 200}


async def test_a_stream_has_no_body_and_stays_a_stream() -> None:
    async def look(response: Response) -> None:
        assert not hasattr(response, "body")
        response.headers["X-Looked"] = "yes"

    messages = await raw_messages(output_formatter(look)(stream))
    assert [m.get("body") for m in messages[1:]] == [b"one ", b"two ", b"three", b""]
    assert (b"x-looked", b"yes") in messages[0]["headers"]


async def test_a_body_set_as_text_on_a_stream_replaces_it() -> None:
    async def replace(response: Response) -> None:
        response.body = "instead"  # type: ignore[assignment]

    messages = await raw_messages(output_formatter(replace)(stream))
    assert [m.get("body") for m in messages[1:]] == [b"instead"]
    assert (b"content-length", b"7") in messages[0]["headers"]


@pytest.mark.parametrize(("app", "whole"), [(stream, b"one two three"), (echo, b'"hi"')])
async def test_a_middleware_may_gather_the_pieces(app: ASGIApp, whole: bytes) -> None:
    async def gather(request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        body = b"".join([piece async for piece in response.body_iterator])
        return Response(body + b"!", response.status_code)

    assert (await post(middleware(gather)(app), "hi")).content == whole + b"!"


@pytest.mark.parametrize(("app", "whole"), [(stream, b"ONE TWO THREE"), (echo, b'"HI"')])
async def test_a_middleware_may_rewrite_the_pieces(app: ASGIApp, whole: bytes) -> None:
    async def rewrite(request: Request, call_next: Any) -> Response:
        response: StreamingResponse = await call_next(request)
        pieces = response.body_iterator

        async def upper() -> AsyncIterator[str]:
            async for piece in pieces:
                yield bytes(piece).decode().upper()

        response.body_iterator = upper()
        return response

    assert (await post(middleware(rewrite)(app), "hi")).content == whole


async def test_a_middleware_may_answer_without_calling_on() -> None:
    async def throttle(request: Request, call_next: Any) -> Response:
        return PlainTextResponse("slow down", 429)

    assert (await post(middleware(throttle)(echo))).status_code == 429


async def test_a_middleware_may_try_again() -> None:
    calls = []

    async def flaky(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(await Request(scope, receive).body())
        await Response(status_code=500 if len(calls) == 1 else 200)(scope, receive, send)

    async def retry(request: Request, call_next: Any) -> Response:
        await request.body()
        response = await call_next(request)
        return response if response.status_code == 200 else await call_next(request)

    assert (await post(middleware(retry)(flaky), "again")).status_code == 200
    assert calls == [b'"again"', b'"again"']


async def test_a_middleware_that_returns_no_response_is_told_so() -> None:
    async def forgets(request: Request, call_next: Any) -> None:
        await call_next(request)

    with pytest.raises(TypeError, match="a middleware returns a response, not None"):
        await post(middleware(forgets)(echo))


async def test_background_work_belongs_to_the_request() -> None:
    done = []

    async def with_task(scope: Scope, receive: Receive, send: Send) -> None:
        response = Response("x", background=BackgroundTask(done.append, "background"))
        await response(scope, receive, send)

    async def look(response: Response) -> None:
        done.append("formatter")

    await post(output_formatter(look)(with_task))
    assert done == ["formatter", "background"]


async def look_at(response: Response) -> None:
    """An output formatter that changes nothing."""


async def gather_pieces(request: Request, call_next: Any) -> Response:
    response = await call_next(request)
    return Response(b"".join([piece async for piece in response.body_iterator]))


@pytest.mark.parametrize("wrap", [output_formatter(look_at), middleware(gather_pieces)])
async def test_a_stream_that_is_cut_is_cut_for_the_client_too(wrap: Wrap) -> None:
    with pytest.raises(Exception, match="before its last piece"):
        await raw_messages(wrap(cut))


async def test_no_answer_at_all_is_an_error() -> None:
    with pytest.raises(Exception, match="without an answer"):
        await raw_messages(output_formatter(look_at)(silent))


async def test_what_is_left_running_is_cancelled() -> None:
    ended = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        finally:
            ended.set()

    async def impatient(request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        async for _ in response.body_iterator:
            break
        return PlainTextResponse("enough")

    assert (await post(middleware(impatient)(endless))).text == "enough"
    assert ended.is_set()


async def test_an_asgi_class_stands_in_the_same_place() -> None:
    class AddHeader:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app({**scope, "headers": [*scope["headers"], (b"x-added", b"class")]}, receive, send)

    assert (await post(middleware(AddHeader)(echo))).headers["x-seen"] == "class"


def test_a_class_that_takes_no_app_is_refused() -> None:
    class NoApp:
        pass

    with pytest.raises(SignatureRefused, match=r"NoApp\(app\) raised TypeError"):
        middleware(NoApp)(echo)


@pytest.mark.parametrize(
    ("form", "function", "message"),
    [
        (input_formatter, None, "it is a NoneType"),
        (input_formatter, lambda: None, "an input formatter takes the request"),
        (output_formatter, lambda a, b: None, "an output formatter takes the response"),
        (middleware, lambda request: None, "a middleware takes the request and the next step"),
        (middleware, "throttle", "it is a str"),
    ],
)
def test_a_wrong_signature_is_refused_with_the_accepted_one(
    form: Callable[[Any], Wrap], function: Any, message: str
) -> None:
    with pytest.raises(SignatureRefused, match=message):
        form(function)


async def no_more() -> Message:
    return {"type": "http.disconnect"}


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 1_000_000])
async def test_a_body_is_replayed_in_pieces(size: int) -> None:
    """Between which the loop turns: others wait for no longer than for the reader of one piece."""
    body, turns, pieces = bytes(size), 0, 0
    receive, loop = replay(body, no_more), asyncio.get_running_loop()

    def turned() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(turned)

    loop.call_soon(turned)
    given = b""
    while (message := await receive())["type"] == "http.request":
        given, pieces = given + message["body"], pieces + 1
        assert len(message["body"]) <= 65_536
        assert message["more_body"] == (len(given) < size)
    assert (given, pieces) == (body, max(1, -(-size // 65_536)))
    assert turns == pieces - 1
