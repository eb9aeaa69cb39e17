from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from handrail.core.presence import ClientLeft
from handrail_container.engine.asgi.enveloped import enveloped, failure_of
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAID = {"message": "max_tokens must be at least 1", "type": "BadRequestError", "param": "max_tokens", "code": 400}
VLLM = {"error": SAID}
INVALID = {"detail": [{"loc": ["body", "n"], "msg": "too small", "type": "x"}, {"loc": ["body"], "msg": "odd"}]}


async def nothing() -> Message:
    return {"type": "http.request"}


class Asked:
    """What a client gets of an engine's application."""

    def __init__(self) -> None:
        self.exchange = SimpleNamespace(has_failed=False)
        self.sent: list[Message] = []

    async def of(self, app: ASGIApp) -> Asked:
        state = {"handrail.request_id": "id-1", "handrail.exchange": self.exchange}
        scope: Scope = {"type": "http", "method": "POST", "path": "/v1/x", "headers": [], "state": state}
        scope["asgi"] = {"spec_version": "2.4"}
        await enveloped(app, {"--x-y": "SM_VLLM_X_Y=true"})(scope, nothing, self.send)
        return self

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def error(self) -> dict[str, Any]:
        assert self.headers[b"content-length"] == str(len(self.body)).encode()
        assert self.headers[b"content-type"] == b"application/json"
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (JSONResponse(VLLM, 400), SAID),
        (
            JSONResponse({"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}, 404),
            {"message": "no", "type": "invalid_request_error", "code": 404},
        ),
        (
            JSONResponse({"error": {"message": ["a"], "code": "odd", "detail": {"why": 1}}}, 409),
            {"message": '["a"]', "type": "conflict", "code": 409, "detail": {"why": 1}},
        ),
        (JSONResponse({"error": "plain"}, 501), {"message": "plain", "type": "not_implemented", "code": 501}),
        (JSONResponse({"detail": "gone"}, 410), {"message": "gone", "type": "gone", "code": 410}),
        (
            JSONResponse(INVALID, 422),
            {"message": "body.n: too small; body: odd", "type": "unprocessable_content", "code": 422},
        ),
        (JSONResponse([1], 400), {"message": "[1]", "type": "bad_request", "code": 400}),
        (JSONResponse({}, 400), {"message": "{}", "type": "bad_request", "code": 400}),
        (PlainTextResponse("Not Found", 404), {"message": "Not Found", "type": "not_found", "code": 404}),
        (Response(status_code=503), {"message": "the engine answered 503", "type": "service_unavailable", "code": 503}),
    ],
)
async def test_an_error_says_the_same_in_the_one_envelope(answer: Response, expected: dict[str, Any]) -> None:
    """Message, type and param are its authors'; code is the status; the id is the request's."""
    asked = await Asked().of(answer)
    assert asked.sent[0]["status"] == expected["code"]
    assert asked.error == {**expected, "request_id": "id-1"}


async def test_the_headers_of_an_error_are_kept() -> None:
    """But for those of its body."""
    asked = await Asked().of(JSONResponse(VLLM, 400, headers={"Retry-After": "3"}))
    assert asked.headers[b"retry-after"] == b"3"
    assert asked.error["code"] == 400


async def test_an_error_that_comes_in_pieces_is_whole() -> None:
    """And short enough."""

    async def pieces(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]})
        for piece in (b'{"error": {"message": "', b"x" * 5000, b'"}}'):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    asked = await Asked().of(pieces)
    assert len(asked.body) <= 2048
    assert asked.error["message"].startswith("xxx")


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse(VLLM, 200),
        Response(b'data: {"error"', 200, media_type="application/octet-stream"),
        Response(b"<p>", 404, media_type="text/html"),
    ],
)
async def test_what_is_no_error_of_an_api_passes_untouched(answer: Response) -> None:
    """Also a page, and what merely looks like a failed event."""
    asked = await Asked().of(answer)
    assert asked.body == answer.body
    assert asked.headers == dict(answer.raw_headers)


def stream(*events: bytes) -> Response:
    async def sending() -> AsyncIterator[bytes]:
        for event in events:
            yield event

    return StreamingResponse(sending(), media_type="text/event-stream")


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"error": {"message": "it broke", "type": "InternalServerError", "param": null, "code": 503}}\n\n',
        b'event: error\ndata: {"type":"error","error":{"type":"InternalServerError","message":"it broke","code":503}}',
    ],
)
async def test_a_stream_that_fails_ends_with_one_error_event(event: bytes) -> None:
    """With our envelope, and no [DONE]."""
    asked = await Asked().of(stream(b"data: 1\n\n", event, b"data: [DONE]\n\n"))
    first, _, last = asked.body.partition(b"\n\n")
    assert first == b"data: 1"
    assert last.startswith(b"event: error\ndata: ")
    assert json.loads(last.partition(b"data: ")[2])["error"] == {
        "message": "it broke",
        "type": "InternalServerError",
        "code": 503,
        "request_id": "id-1",
    }
    assert asked.exchange.has_failed
    assert [message.get("more_body") for message in asked.sent[1:]] == [True, False]


async def test_a_stream_passes_piece_by_piece() -> None:
    """Nothing is held back."""
    asked = await Asked().of(stream(b"data: 1\n\n", b"data: 2\n\n"))
    assert [message["body"] for message in asked.sent[1:]] == [b"data: 1\n\n", b"data: 2\n\n", b""]
    assert not asked.exchange.has_failed


async def test_what_a_route_raised_and_answered_is_logged_as_the_engine_s(caplog: pytest.LogCaptureFixture) -> None:
    """Starlette raises it again: nobody else needs to see it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse(VLLM, 500)(scope, receive, send)
        raise LookupError("theirs")

    asked = await Asked().of(app)
    assert asked.error["message"] == "max_tokens must be at least 1"
    assert "the engine's '/v1/x' raised, request_id=id-1" in caplog.text


@pytest.mark.parametrize("left", [ClientDisconnect, ClientLeft])
async def test_that_the_client_left_is_no_error_of_the_engine_s(
    caplog: pytest.LogCaptureFixture, left: type[Exception]
) -> None:
    """Starlette answers it with a 500, which nobody reads, and raises it again; our own `send` says so by itself."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("Internal Server Error", 500)(scope, receive, send)
        raise left

    await Asked().of(app)
    assert caplog.text == ""


async def test_what_a_route_raised_unanswered_is_raised() -> None:
    """The gate answers it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("ours")

    with pytest.raises(LookupError):
        await Asked().of(app)


def test_an_error_nested_too_deep_is_text() -> None:
    """It is no JSON of vLLM's."""
    assert failure_of(400, b"[" * 100_000).message.startswith("[[[")


async def test_a_flag_that_an_error_names_is_told_of_its_variable() -> None:
    """Also where it ends a stream."""
    plain = await Asked().of(JSONResponse({"error": {"message": "set --x-y"}}, 400))
    assert plain.error["message"] == "set --x-y (here, by the environment: SM_VLLM_X_Y=true)"
    events = (b'data: {"a": 1}\n\n', b'data: {"error": {"message": "set --x-y"}}\n\n')
    streamed = await Asked().of(stream(*events))
    assert b"SM_VLLM_X_Y=true" in streamed.body
