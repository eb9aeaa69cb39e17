"""An engine's routes answer alike, with the framework around them and without."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from handrail_container.engine.asgi.direct import Direct, direct
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import ASGIApp, Message

CHAT = "/v1/chat/completions"


class Asked(BaseModel):
    model: str
    n: int = 1
    does: str = "answers"


class Deeds:
    """What a route can come to; `closed` once its stream has been."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.closed = asyncio.Event()

    async def pieces(self, asked: Asked) -> AsyncIterator[str]:
        try:
            for number in range(asked.n):
                yield f"data: {number}\n\n"
            if asked.does == "breaks":
                raise RuntimeError("in mid-stream")
            if asked.does == "goes on":
                self.began.set()
                await asyncio.sleep(60)
        finally:
            self.closed.set()

    async def does(self, asked: Asked, raw: Request) -> Response:
        raises: dict[str, Exception] = {
            "is wrong": ValueError("a wrong value"),
            "is refused": HTTPException(409, "not now"),
            "fails": RuntimeError("a bug"),
        }
        if asked.does in raises:
            raise raises[asked.does]
        if asked.does == "does not know":
            return JSONResponse({"error": {"message": "no such model"}}, 404)
        if asked.does == "answers":
            raw.state.told = asked.n
            return JSONResponse(asked.model_dump(), headers={"x-app": str(raw.app.state.name)})
        if asked.does == "swallows":
            try:
                self.began.set()
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return JSONResponse({"error": {"message": "the client left"}}, 400)
        return StreamingResponse(self.pieces(asked), media_type="text/event-stream")


def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await call(*args, **kwargs)

    return wrapper


def engine(deeds: Deeds) -> FastAPI:
    """As vLLM's is made."""
    app = FastAPI()
    app.state.name = "engine"

    async def create(request: Asked, raw_request: Request):  # type: ignore[no-untyped-def]  # noqa: ANN202  as vLLM's
        return await deeds.does(request, raw_request)

    async def others(request: dict[str, Any], raw_request: Request) -> Any:
        return request

    async def plain(request: list[Asked], raw_request: Request) -> Any:
        return len(request)

    async def explain(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": {"message": f"{type(error).__name__}: {error}"}}, 400)

    create.__annotations__ = {"request": Asked, "raw_request": Request}
    app.post(CHAT)(wrapped(create))
    app.post("/v1/others")(others)
    app.post("/v1/plain")(plain)
    app.get("/v1/read")(lambda: {})
    for kind in (ValueError, RequestValidationError, HTTPException):
        app.exception_handler(kind)(explain)
    return app


def scope_of(method: str = "POST", path: str = CHAT, content_type: str | None = "application/json") -> dict[str, Any]:
    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "state": {"handrail.exchange": SimpleNamespace(ends_with_client=False)},
    }


async def told(app: ASGIApp, body: bytes, **scope: Any) -> tuple[list[Message], str, Any]:
    """What it sends, raises and leaves in the state."""
    waiting = [{"type": "http.request", "body": body[:3], "more_body": True}]
    waiting += [{"type": "http.request", "body": body[3:], "more_body": False}]
    sent: list[Message] = []
    raised = ""
    asked = scope_of(**scope)

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append({**message, "headers": dict(message.get("headers", []))})

    try:
        await app(asked, receive, send)
    except Exception as error:  # noqa: BLE001  compared
        raised = f"{type(error).__name__}: {error}"
    return sent, raised, asked["state"].get("told")


def asks(does: str = "answers", **more: Any) -> bytes:
    return json.dumps({"model": "demo", "does": does, **more}).encode()


@pytest.mark.parametrize(
    "body",
    [
        *(asks(does, n=2) for does in ("answers", "streams", "breaks")),
        *(asks(does) for does in ("is wrong", "is refused", "fails", "does not know")),
        *(
            asks(n="two"),
            asks(n="2"),
            b"",
            b"{",
            b"null",
            b"[]",
            asks(pad="x" * 50_000),
            b'{"model": "\xff"}',
            b"[" * 100_000,
            b'"text"',
        ),
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
async def test_what_is_asked_is_answered_as_by_the_framework(body: bytes) -> None:
    app = engine(Deeds())
    ours = direct(app, app, [CHAT])
    assert isinstance(ours, Direct)
    assert await told(ours, body) == await told(app, body)


@pytest.mark.parametrize(
    "scope",
    [
        *({"content_type": kind} for kind in (None, "text/plain", "Application/JSON; charset=utf-8", "a/b+json")),
        *({"method": method} for method in ("GET", "HEAD", "DELETE")),
        *({"path": path} for path in ("/v1/others", "/v1/none", f"{CHAT}/")),
    ],
    ids=repr,
)
async def test_whoever_asks_otherwise_is_answered_as_by_the_framework(scope: dict[str, str]) -> None:
    app = engine(Deeds())
    assert await told(direct(app, app, [CHAT]), asks(), **scope) == await told(app, asks(), **scope)


@pytest.mark.parametrize("path", ["/v1/others", "/v1/plain", "/v1/read", "/v1/none"])
async def test_a_route_that_is_not_as_we_know_it_is_left_to_the_framework(path: str) -> None:
    """Whatever is asked for, small or large."""
    app = engine(Deeds())
    for body in (asks(), asks(pad="x" * 50_000)):
        assert await told(direct(app, app, [CHAT, path]), body, path=path) == await told(app, body, path=path)


def test_where_no_route_is_as_we_know_it_there_is_nothing_in_between() -> None:
    app = FastAPI()
    app.post("/v1/others")(lambda: {})
    assert direct(app, app, ["/v1/others"]) is app


async def test_a_route_of_an_included_router_is_called_so_too() -> None:
    """However deep, and with the prefixes around it; FastAPI has kept them apart since 0.137."""
    inner, outer, app = APIRouter(), APIRouter(), FastAPI()
    app.state.name = "engine"

    async def create(request: Asked, raw_request: Request) -> Any:
        return await Deeds().does(request, raw_request)

    create.__annotations__ = {"request": Asked, "raw_request": Request}
    inner.post("/completions")(create)
    outer.include_router(inner, prefix="/chat")
    app.include_router(outer, prefix="/v1")
    ours = direct(app, app, [CHAT])
    assert isinstance(ours, Direct)
    assert await told(ours, asks(n=2)) == await told(app, asks(n=2))


def test_a_path_that_is_not_there_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A newer engine may have moved it, and nothing else would say so."""
    caplog.set_level(logging.DEBUG, "handrail_container")
    app = engine(Deeds())
    direct(app, app, ["/v1/none", "/v1/others"])
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "the engine has no POST /v1/none",
        "the engine's /v1/others is not as it was: the framework calls it",
    ]


def test_without_paths_there_is_nothing_in_between() -> None:
    app = engine(Deeds())
    assert direct(app, app, []) is app


@pytest.mark.parametrize("does", ["goes on", "swallows"])
async def test_a_request_that_is_cancelled_ends_at_once_and_answers_nothing(does: str) -> None:
    deeds, sent = Deeds(), list[Message]()
    app = engine(deeds)
    scope = scope_of()

    async def receive() -> Message:
        return {"type": "http.request", "body": asks(does), "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async def ask() -> None:
        await direct(app, app, [CHAT])(scope, receive, send)

    asking = asyncio.create_task(ask())
    await deeds.began.wait()
    assert scope["state"]["handrail.exchange"].ends_with_client
    before = len(sent)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(sent) == before
    assert deeds.closed.is_set() == (does == "goes on")


async def test_a_stream_is_closed_where_its_client_cannot_be_told() -> None:
    deeds = Deeds()
    app = engine(deeds)

    async def receive() -> Message:
        return {"type": "http.request", "body": asks("streams", n=9), "more_body": False}

    async def send(message: Message) -> None:
        if message.get("body"):
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        await direct(app, app, [CHAT])(scope_of(), receive, send)
    assert deeds.closed.is_set()
