"""Puts the errors of an engine's own routes into Handrail's error shape, keeping the engine's message."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Mapping
from typing import Any

from handrail.core.presence import ClientLeft
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail_container.http.envelope import Failure, error_body, error_event, error_response, to_json
from handrail_container.settings.vllm_flags import with_variables

logger = logging.getLogger("handrail")

#: The beginning of vLLM's SSE event for a failed stream, in OpenAI's form and in Anthropic's.
FAILED_EVENT = (b'data: {"error"', b"event: error")
_BODY_HEADERS = ("content-type", "content-length")


def enveloped(app: ASGIApp, variables: Mapping[str, str]) -> ASGIApp:
    """`app`, with its errors in Handrail's shape and all else unchanged. `variables` are `Backend.variables`."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        envelope = Envelope(scope["state"], send, variables)
        try:
            await app(scope, receive, envelope.send)
        except Exception as error:
            if not envelope.is_over:
                raise
            if isinstance(error, ClientDisconnect | ClientLeft):  # the access log reports it
                return
            request_id = scope["state"]["handrail.request_id"]
            logger.error("the engine's %r raised, request_id=%s", scope["path"], request_id, exc_info=error)

    return wrapped


class Envelope:
    """One response. An error is buffered until it is complete; a stream is inspected as it passes."""

    def __init__(self, state: dict[str, Any], send: Send, variables: Mapping[str, str]) -> None:
        self._state = state
        self._send = send
        self._variables = variables
        self._start: Message = {}
        self._body = b""
        self._is_error = False
        self._is_sse = False
        self.is_over = False

    def send(self, message: Message) -> Awaitable[None]:
        """Send one message. Await the result at once. Not a coroutine itself: each chunk then costs only one."""
        if message["type"] == "http.response.start":
            return self._begin(message)
        if self._is_error:
            return self._hold(message)
        if self.is_over:
            return self._nothing()
        if self._is_sse and message.get("body", b"").startswith(FAILED_EVENT):
            return self._fail(bytes(message["body"]))
        self.is_over = not message.get("more_body", False)
        return self._send(message)

    async def _begin(self, start: Message) -> None:
        kind = Headers(raw=start.get("headers", [])).get("content-type", "")
        self._is_sse = kind.startswith("text/event-stream")
        self._is_error = start["status"] >= 400 and _is_text(kind)
        self._start = start
        if not self._is_error:
            await self._send(start)

    async def _nothing(self) -> None:
        """Drop a message that follows the end of a failed stream."""

    async def _hold(self, message: Message) -> None:
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        headers = Headers(raw=self._start.get("headers", []))
        kept = {name: value for name, value in headers.items() if name not in _BODY_HEADERS}
        status = self._start["status"]
        failure = self._with_variables(failure_of(status, self._body))._replace(status=status, headers=kept)
        self.is_over = True
        response = error_response(failure, self._state["handrail.request_id"])
        await self._send({**self._start, "headers": response.raw_headers})
        await self._send({"type": "http.response.body", "body": response.body})

    async def _fail(self, event: bytes) -> None:
        """Send the error as the last event of the stream. Later messages, usually `[DONE]`, are dropped."""
        self.is_over = True
        self._state["handrail.exchange"].has_failed = True
        body = error_body(self._with_variables(failure_of_event(event)), self._state["handrail.request_id"])
        await self._send({"type": "http.response.body", "body": error_event(body), "more_body": False})

    def _with_variables(self, failure: Failure) -> Failure:
        return failure._replace(message=with_variables(failure.message, self._variables))


def failure_of(status: int, body: bytes) -> Failure:
    """Parse an engine's error: vLLM's `{"error": {…}}`, FastAPI's `{"detail": …}`, or plain text.

    `status` applies if the error has no code of its own; an event of a stream has one.
    """
    text = body.decode(errors="replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return Failure(status, text or f"the engine answered {status}")
    if not isinstance(said, dict):
        return Failure(status, text)
    error = said.get("error")
    if not isinstance(error, dict):
        return Failure(status, _text(error or said.get("detail") or text))
    code, kind, param = error.get("code"), error.get("type"), error.get("param")
    return Failure(
        code if isinstance(code, int) and 400 <= code <= 599 else status,
        _text(error.get("message", text)),
        str(kind) if kind else None,
        error.get("detail"),
        more={"param": str(param)} if param is not None else None,
    )


def failure_of_event(event: bytes) -> Failure:
    """Parse an event that begins with one of FAILED_EVENT."""
    return failure_of(500, event.partition(b"data:")[2].strip())


def _text(message: Any) -> str:
    """One sentence of a message; a list is FastAPI's list of validation errors."""
    if isinstance(message, str):
        return message
    if isinstance(message, list) and all(isinstance(one, dict) and {"loc", "msg"} <= one.keys() for one in message):
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in message)
    return to_json(message)


def _is_text(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("", "application/json", "text/plain") or kind.endswith("+json")
