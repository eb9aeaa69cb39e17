from __future__ import annotations

import logging

import pytest
from fastapi import APIRouter, FastAPI
from handrail_container.engine.asgi.api_routes import api_routes
from handrail_container.engine.vllm.routes import routes_by_payload


async def answer() -> None: ...


def nested() -> FastAPI:
    """Two routers deep, the outer one twice; a plain route, a socket and an application beside them."""
    inner, outer, mounted = APIRouter(prefix="/inner"), APIRouter(), FastAPI()
    inner.post("/b")(answer)
    outer.get("/a")(answer)
    outer.include_router(inner, prefix="/deep")
    outer.add_route("/plain", answer)
    outer.websocket("/socket")(answer)
    mounted.post("/c")(answer)
    app = FastAPI(openapi_url=None)
    app.post("/first")(answer)
    app.include_router(outer)
    app.include_router(outer, prefix="/again")
    app.mount("/mounted", mounted)
    return app


def test_routes_are_found_however_they_are_nested() -> None:
    """With their prefixes, in order, each with what it calls; nothing that is no route of FastAPI's."""
    found = list(api_routes(nested()))
    assert [(route.path, set(route.methods)) for route in found] == [
        ("/first", {"POST"}),
        ("/a", {"GET"}),
        ("/deep/inner/b", {"POST"}),
        ("/again/a", {"GET"}),
        ("/again/deep/inner/b", {"POST"}),
    ]
    assert all(route.endpoint is answer for route in found)


def test_a_body_chooses_among_routes_that_are_nested(caplog: pytest.LogCaptureFixture) -> None:
    """And what no route takes is logged."""
    caplog.set_level(logging.DEBUG, "handrail_container")
    of_chat, of_pooling, app = APIRouter(), APIRouter(prefix="/v1"), FastAPI()
    of_chat.post("/v1/chat/completions")(answer)
    of_pooling.post("/embeddings")(answer)
    app.include_router(of_chat)
    app.include_router(of_pooling)
    assert routes_by_payload(app) == {"messages": "/v1/chat/completions", "input": "/v1/embeddings"}
    assert "no route of the engine's takes a body with 'prompt': it has none of /v1/completions" in caplog.messages
    assert len(caplog.messages) == 5
