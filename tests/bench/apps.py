"""The same answer, and the same stream, in as little as each framework takes: applications for uvicorn."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

#: What a stream has of pieces, in every server.
PIECES = 256
PIECE = 'data: {"text": "a token"}\n\n'

_BODY = b'{"ok":true}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """One that looks at nothing."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


async def _answer(request: StarletteRequest) -> Response:
    return JSONResponse({"ok": True})


async def pieces() -> AsyncIterator[str]:
    for _ in range(PIECES):
        yield PIECE


async def _stream(request: StarletteRequest) -> Response:
    return StreamingResponse(pieces(), media_type="text/event-stream")


async def _ping(request: StarletteRequest) -> Response:
    return Response()


async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
    """Starlette's StreamingResponse, and nothing around it."""
    await StreamingResponse(pieces(), media_type="text/event-stream")(scope, receive, send)


starlette = Starlette(
    routes=[
        Route("/invocations", _answer, methods=["POST"]),
        Route("/stream", _stream, methods=["POST"]),
        Route("/ping", _ping),
    ]
)

fastapi = FastAPI()


@fastapi.post("/invocations")
async def answer(request: Request) -> dict[str, bool]:
    return {"ok": True}


@fastapi.post("/stream")
async def stream(request: Request) -> StreamingResponse:
    return StreamingResponse(pieces(), media_type="text/event-stream")


@fastapi.get("/ping")
async def ping() -> Response:
    return Response()
