"""SageMaker's id for prefix-aware routing as the salt of the engine's cache."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx
import pytest
from handrail_container.routes.prefix_aware import salted
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.conftest import Launch

HEADER = "X-Amzn-SageMaker-Prefix-Aware-Id"
SALT = hashlib.sha256(b"tenant@example.com/1").hexdigest()


async def told(request: Request) -> JSONResponse:
    """What the engine would be asked."""
    return JSONResponse((await request.body()).decode())


async def engine_asked(path: str, body: str, **headers: str) -> Any:
    app = salted(Starlette(routes=[Route("/{path:path}", told, methods=["POST"])]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine") as client:
        return (await client.post(path, content=body, headers=headers)).json()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"])
async def test_the_id_is_the_salt_of_a_body_that_has_none(path: str) -> None:
    asked = await engine_asked(path, '{"model": "echo"}', **{HEADER: "tenant@example.com/1"})
    assert json.loads(asked) == {"model": "echo", "cache_salt": SALT}


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/completions", '{"prompt": "x", "cache_salt": "own"}', {HEADER: "tenant"}),
        ("/v1/completions", '{"prompt": "x"}', {}),
        ("/v1/completions", "no JSON", {HEADER: "tenant"}),
        ("/v1/completions", "[1]", {HEADER: "tenant"}),
        ("/tokenize", '{"prompt": "x"}', {HEADER: "tenant"}),
    ],
)
async def test_any_other_body_is_as_it_was(path: str, body: str, headers: dict[str, str]) -> None:
    assert await engine_asked(path, body, **headers) == body


def test_it_is_off_unless_it_is_asked_for(serving: Launch) -> None:
    """The answer is the same in any case."""
    for served in (serving(), serving(HANDRAIL_PREFIX_AWARE="salt")):
        answer = served.http.post("/invocations", json={"prompt": "one two"}, headers={HEADER: "tenant"})
        assert answer.json()["choices"][0]["text"] == "one two"
