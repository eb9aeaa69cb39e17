"""A request in the shape, asked of the engine's routes and answered in the shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from handrail.wrap.downstream import replay
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail_container.engine.lora import Adapters
from handrail_container.http.envelope import Failure, to_json
from handrail_container.routes.asked_at import accepted, as_json, require_json
from handrail_container.routes.beside import beside, parsed
from handrail_container.routes.inputs.answers import answer
from handrail_container.routes.inputs.dialect import InputsDialect, generates
from handrail_container.routes.inputs.reading import InputsRequest, read
from handrail_container.routes.inputs.refusals import refused
from handrail_container.routes.inputs.streams import LINES, NOT_OPENAIS, SSE, TokenStream, not_openais

_LINES = frozenset((LINES, "application/x-jsonlines", "application/jsonl", "application/x-ndjson"))
_OF_BODY = (b"content-type", b"content-length")


class Inputs:
    """Answers bodies with `inputs`, as one of the originals does. `application` has the engine's routes at `paths`."""

    def __init__(
        self, application: ASGIApp, paths: Mapping[str, str], adapters: Adapters, dialect: InputsDialect
    ) -> None:
        self._application = application
        self._paths = paths
        self._adapters = adapters
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        require_json(request.headers.get("content-type"))
        payload = await parsed(request)
        if not isinstance(payload, dict) or "inputs" not in payload:
            raise refused(f'{scope["path"]} takes a JSON object with \'inputs\': {{"inputs": "…"}}')
        await self.answer(payload, request, send)

    async def answer(self, payload: dict[str, Any], request: Request, send: Send) -> None:
        """`payload` has `inputs`. Raises HTTPException."""
        types = accepted(request)
        if self._streams(payload, types):
            payload = {"stream": True, **payload}
        size = len(await request.body())
        asked = await beside(size, read, payload, self._dialect, self._paths)
        chosen = request.state.adapter or asked.adapter
        body = asked.body
        if chosen is not None:
            self._adapters.require(chosen)
            body = {**body, "model": chosen}
        told = await beside(size, _told, body)
        translated = _Translated(asked, request.scope, send, is_sse=self._is_sse(types))
        scope = as_json(request.scope, asked.path, len(told))
        await self._application(scope, replay(told, request.receive), translated.send)
        if translated.failure is not None:
            raise HTTPException(translated.failure.status, translated.failure.message)

    def _streams(self, payload: Mapping[str, Any], types: list[str]) -> bool:
        """Whether a request that does not say asks for a stream."""
        streams_one = self._dialect.streams_one and isinstance(payload["inputs"], str)
        return (types == [SSE] or streams_one) and self._dialect.streams is None and generates(self._paths)

    def _is_sse(self, types: list[str]) -> bool:
        named = [one == SSE for one in types if one == SSE or one in _LINES]
        return named[0] if named else self._dialect.is_sse


class _Translated:
    """`send` of the engine's routes. Errors pass as they are. `failure` is to be answered once the route has returned:
    what its `send` raised would be taken for its own."""

    def __init__(self, asked: InputsRequest, scope: Scope, send: Send, *, is_sse: bool) -> None:
        self._asked = asked
        self._state = scope["state"]
        self._send = send
        self._is_sse = is_sse
        self._start: Message = {}
        self._stream: TokenStream | None = None
        self._body = b""
        self.failure: Failure | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._start["status"] >= 400:
            await self._send(message)
        elif self._stream is not None:
            await self._pass_on(self._stream, message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._answer()

    async def _begin(self, start: Message) -> None:
        self._start = start
        if start["status"] >= 400:
            await self._send(start)
        elif Headers(raw=start.get("headers", [])).get("content-type", "").startswith(SSE):
            self._stream = TokenStream(self._asked, is_sse=self._is_sse, request_id=self._state["handrail.request_id"])
            kind = f"{SSE}; charset=utf-8" if self._is_sse else LINES
            await self._send({**start, "headers": [*self._headers(), (b"content-type", kind.encode())]})

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [(name, value) for name, value in self._start.get("headers", []) if name.lower() not in _OF_BODY]

    async def _pass_on(self, stream: TokenStream, message: Message) -> None:
        if stream.has_failed:
            return
        piece = stream.feed(message.get("body", b""))
        is_over = stream.has_failed or not message.get("more_body", False)
        if is_over:
            piece += stream.end()
        if stream.has_failed:
            self._state["handrail.exchange"].has_failed = True
        if piece or is_over:
            await self._send({"type": "http.response.body", "body": piece, "more_body": not is_over})

    async def _answer(self) -> None:
        try:
            told = await beside(len(self._body), _answer, self._asked, self._body)
        except NOT_OPENAIS:
            self.failure = not_openais(self._asked)
            return
        more = [(b"content-type", b"application/json"), (b"content-length", str(len(told)).encode())]
        await self._send({**self._start, "headers": [*self._headers(), *more]})
        await self._send({"type": "http.response.body", "body": told})


def _told(body: Any) -> bytes:
    return to_json(body).encode()


def _answer(asked: InputsRequest, body: bytes) -> bytes:
    return _told(answer(asked, json.loads(body)))
