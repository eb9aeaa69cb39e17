"""Middleware around Ray Serve's HTTP proxy: answers clients in Handrail's shape when no replica does, and in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail_container.gate.last_pings import PATHS
from handrail_container.http.envelope import Failure, error_body, error_event, error_response, request_id_of

#: SageMaker waits 2 s for `/ping`.
_PING_S = 1.8
#: Timeout in seconds for one replica's answer to `/ping`; then another replica is asked. A custom ping may take 1 s.
_ONE_PING_S = 1.1
_AGAIN_S = 0.05
_LEAVE_S = 0.1
#: Prefix of Serve's own routes: its health and its list of routes.
_SERVES_OWN = "/-/"
_ID, _SESSION, _ROUTED_BY = b"x-request-id", b"x-amzn-sagemaker-session-id", b"x-session-id"

_NO_REPLICA = Failure(503, "no replica is ready: the server starts or stops", "loading", headers={"Retry-After": "5"})
_NO_ANSWER = Failure(503, "no replica answers", "loading", headers={"Retry-After": "5"})
_ENDED = Failure(503, "the replica that had this request has ended", "replica_ended", headers={"Retry-After": "1"})


class Reply:
    """A response in transit: a replica's is passed on, Serve's own is held back."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_replicas = False
        self.is_sse = False
        self.is_complete = False
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin(message)
        if self.is_replicas:
            self.is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await self._send(message)

    def _begin(self, message: Message) -> None:
        """Detect a replica's answer: it has two request ids, its own and the one that Serve adds. Keep the first."""
        ids = [header for header in message["headers"] if header[0].lower() == _ID]
        self.status, self.is_replicas = message["status"], len(ids) > 1
        message["headers"] = [header for header in message["headers"] if header[0].lower() != _ID] + ids[:1]
        self.is_sse = MutableHeaders(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")

    async def finish(self, request_id: str) -> None:
        """Send an error if no replica has answered, or as the last event of an incomplete event stream. Any other
        incomplete answer is cut off."""
        if not self.is_replicas:
            await answer_with(_NO_REPLICA if self.status == 404 else _ENDED, request_id, self._send)
        elif self.is_sse and not self.is_complete:
            body = error_event(error_body(_ENDED, request_id))
            await self._send({"type": "http.response.body", "body": body, "more_body": False})


class ProxyMiddleware:
    """The middleware, one in each proxy. It retries `/ping` when a replica does not answer, gives each request its
    final id, and passes the session's id on to Serve."""

    def __init__(self, app: ASGIApp, ping_s: float = _PING_S, one_ping_s: float = _ONE_PING_S) -> None:
        self._app = app
        self._ping_s = ping_s
        self._one_ping_s = one_ping_s
        self._has_answered = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"].startswith(_SERVES_OWN):
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(dict(scope["headers"]))
        scope = {**scope, "headers": _headers(scope, request_id)}
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif scope["path"] in PATHS:
            await self._ping(scope, send, request_id)
        else:
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(dict(scope["headers"]))
        ping = {**scope, "path": "/ping", "method": "GET"}
        if not self._has_answered and not await self._asked(ping, self._one_ping_s):
            await answer_with(_NO_REPLICA, request_id, send)
            return
        reply = Reply(send)
        await self._app(scope, receive, reply.send)
        self._has_answered = reply.is_replicas or reply.status != 404
        await reply.finish(request_id)

    async def _ping(self, scope: Scope, send: Send, request_id: str) -> None:
        deadline = time.monotonic() + self._ping_s
        while (left_s := deadline - time.monotonic()) > 0:
            answer = await self._asked(scope, min(left_s, self._one_ping_s))
            for message in answer:
                await send(message)
            if answer:
                return
            await asyncio.sleep(_AGAIN_S)
        await answer_with(_NO_ANSWER if self._has_answered else _NO_REPLICA, request_id, send)

    async def _asked(self, scope: Scope, patience_s: float) -> list[Message]:
        """A replica's whole answer to a request without a body; empty if there was none in time."""
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        reply = Reply(collect)
        leaving = asyncio.Event()
        asking = asyncio.ensure_future(_run(self._app, scope, _client(leaving), reply.send))
        await asyncio.wait([asking], timeout=patience_s)
        leaving.set()  # a disconnect: the proxy does not expect to be cancelled
        await asyncio.wait([asking], timeout=_LEAVE_S)
        self._has_answered = self._has_answered or reply.is_complete
        return messages if reply.is_complete else []


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


def _client(leaving: asyncio.Event) -> Receive:
    """The `receive` of a client that sends an empty body and disconnects when `leaving` is set."""
    said: Iterator[Message] = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        if (message := next(said, None)) is not None:
            return message
        await leaving.wait()
        return {"type": "http.disconnect"}

    return receive


def _headers(scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
    """The request's headers with its id and session where Serve looks for them. A new session has no replica yet."""
    headers = [header for header in scope["headers"] if header[0] not in (_ID, _ROUTED_BY)]
    session = dict(scope["headers"]).get(_SESSION)
    if session and session != b"NEW_SESSION":
        headers.append((_ROUTED_BY, session))
    return [*headers, (_ID, request_id.encode())]


async def answer_with(failure: Failure, request_id: str, send: Send) -> None:
    response = error_response(failure, request_id)
    response.headers["X-Request-Id"] = request_id
    await send({"type": "http.response.start", "status": failure.status, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body})
