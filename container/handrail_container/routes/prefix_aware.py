"""SageMaker's id for prefix-aware routing, as the salt of the engine's prefix cache."""

from __future__ import annotations

import hashlib
import json

from handrail.wrap.data_formatters import parsed
from handrail.wrap.downstream import replay
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

HEADER = b"x-amzn-sagemaker-prefix-aware-id"
#: The engine's routes whose bodies may have a `cache_salt`.
PATHS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"})


def salted(engine: ASGIApp) -> ASGIApp:
    """The engine's routes, with the header's id as the `cache_salt` of a body that has none: requests with
    different ids then share no cached prefix. The salt is the id's hash, since an id may have any character."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"]).get(HEADER, b"") if scope["path"] in PATHS else b""
        if given:
            request = Request(scope, receive)
            body = await request.body()
            data = await parsed(body)
            if isinstance(data, dict) and data.get("cache_salt") is None:
                body = json.dumps({**data, "cache_salt": hashlib.sha256(given).hexdigest()}).encode()
            others = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
            scope = {**scope, "headers": [*others, (b"content-length", str(len(body)).encode())]}
            receive = replay(body, receive)
        await engine(scope, receive, send)

    return app
