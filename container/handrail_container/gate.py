"""The first room every request enters: it gets an id, is let in or told why not, and leaves with one shape of error.
WebSockets go on to a room of their own.

Pure ASGI, in front of the application: `/ping` and `/invocations` reach their handlers without a framework's stack.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail_container.envelope import Explain, Failure, error_body, error_event, error_response, request_id_of
from handrail_container.lifecycle import Lifecycle
from handrail_container.sockets import SocketEndpoint, Sockets

logger = logging.getLogger("handrail.access")

_SLOW_S = 1.0
_ALIAS = "/sync/v1/"


@dataclass(frozen=True)
class Endpoint:
    """One of our own routes. `explain` turns what `app` raises into an error."""

    app: ASGIApp
    methods: tuple[str, ...]
    explain: Explain
    is_always_open: bool = False


class TooLarge(HTTPException):
    """FastAPI's own kind, which it passes on where it reads the body; it takes any other for bad JSON."""

    def __init__(self, limit: float) -> None:
        message = f"the body is larger than {limit / 1e6:g} MB; HANDRAIL_MAX_BODY_MB sets the limit"
        super().__init__(413, message, headers={"Connection": "close"})


class InFlight:
    """Requests that entered the gate since it was last opened; `total` counts those from before as well."""

    def __init__(self, before: InFlight | None = None) -> None:
        self.count = 0
        self._before = before if before is not None and before.total else None

    @property
    def total(self) -> int:
        return self.count + (self._before.total if self._before is not None else 0)


class Gate:
    """Our endpoints by path; everything else goes to the engine's application."""

    def __init__(self, lifecycle: Lifecycle, *, max_body_bytes: float, access_log: str) -> None:
        self.lifecycle = lifecycle
        self.endpoints: dict[str, Endpoint] = {}
        self.requests = InFlight()
        self.sockets = Sockets(lifecycle, access_log)
        self._opened: dict[str, Endpoint] = {}
        self._prefixes: dict[str, Endpoint] = {}
        self._application: Any = None
        self._max_body_bytes = max_body_bytes
        self._access_log = access_log

    def open(
        self,
        application: Any,
        endpoints: dict[str, Endpoint],
        prefixes: dict[str, Endpoint],
        sockets: dict[str, SocketEndpoint],
    ) -> None:
        """From now on `endpoints` answer, and below the `prefixes` (the first that fits) those; `sockets` WebSockets.

        User code finds `application` at `request.app`. Opening again replaces what answered before; requests that are
        in flight end where they began.
        """
        self.requests = InFlight(self.requests)
        self._application = application
        self._prefixes = prefixes
        self._opened = endpoints
        self.sockets.endpoints = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(_ALIAS):  # as clients of Baseten's gateway write `/v1`
            scope["path"] = scope["path"].removeprefix("/sync")
            scope["raw_path"] = scope["path"].encode()
        scope["app"] = self._application
        requests = self.requests
        requests.count += 1
        try:
            if scope["type"] == "websocket":
                await self.sockets(scope, receive, send)
            else:
                await self._exchange(scope, receive, send)
        finally:
            requests.count -= 1

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, send, request_id_of(scope))
        try:
            await self._admit(self._endpoint_for(scope["path"]), exchange, receive)
        finally:
            self._log(exchange)

    def _endpoint_for(self, path: str) -> Endpoint | None:
        own = self._opened.get(path) or self.endpoints.get(path)
        return own or next((endpoint for prefix, endpoint in self._prefixes.items() if path.startswith(prefix)), None)

    async def _admit(self, endpoint: Endpoint | None, exchange: Exchange, receive: Receive) -> None:
        if endpoint is None or not (self.lifecycle.is_ready or endpoint.is_always_open):
            await exchange.fail(self.lifecycle.refusal())
        elif endpoint.methods and exchange.scope["method"] not in endpoint.methods:
            await self._wrong_method(endpoint, exchange)
        else:
            await self._answer(endpoint, exchange, receive)

    async def _answer(self, endpoint: Endpoint, exchange: Exchange, receive: Receive) -> None:
        try:
            limited = self._limited(exchange, receive)
            await answer(endpoint.app, endpoint.explain, exchange, limited)
        except TooLarge as error:  # announced; one that turns out too large is met where it is read
            await exchange.fail(endpoint.explain(error, exchange.request_id))
        except asyncio.CancelledError as error:  # a handler's own, or the listener's once the drain is over
            is_own = self.lifecycle.is_ready
            await exchange.fail(endpoint.explain(error, exchange.request_id) if is_own else self.lifecycle.refusal())

    async def _wrong_method(self, endpoint: Endpoint, exchange: Exchange) -> None:
        path, method = exchange.scope["path"], exchange.scope["method"]
        allowed = ", ".join(endpoint.methods)
        await exchange.fail(Failure(405, f"{path} takes {allowed}, not {method}", headers={"Allow": allowed}))

    def _limited(self, exchange: Exchange, receive: Receive) -> Receive:
        """`receive` with the body limit upheld. Raises TooLarge where the announced length is already over it."""
        length = Headers(scope=exchange.scope).get("content-length")
        if length is None:
            return _counting(receive, self._max_body_bytes)
        if int(length) > self._max_body_bytes:
            raise TooLarge(self._max_body_bytes)
        return receive

    def _log(self, exchange: Exchange) -> None:
        seconds = time.monotonic() - exchange.began
        scope = exchange.scope
        is_good = 200 <= exchange.status < 300
        is_dull = is_good and (scope["path"] == "/ping" or (seconds < _SLOW_S and self._access_log != "all"))
        if is_dull or self._access_log == "off":
            return
        logger.info(
            "%s %s %d %.0f ms request_id=%s",
            scope["method"],
            scope["path"],
            exchange.status,
            seconds * 1000,
            exchange.request_id,
        )


async def answer(app: ASGIApp, explain: Explain, exchange: Exchange, receive: Receive) -> None:
    """Let `app` answer, and answer for it where it raises."""
    try:
        await app(exchange.scope, receive, exchange.send)
    except Exception as error:  # noqa: BLE001  whatever a user's handler raised is answered here
        await exchange.fail(explain(error, exchange.request_id))


def answering(app: ASGIApp, explain: Explain) -> ASGIApp:
    """`app` with its errors answered: what stands around it sees a response, never an exception."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(app, explain, Exchange(scope, send, scope["state"]["request_id"]), receive)

    return answered


class Exchange:
    """One request and its answer: the id, and how far the answer has come."""

    __slots__ = ("_send", "began", "is_complete", "is_sse", "request_id", "scope", "status")

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.scope = scope
        self.request_id = request_id
        self.began = time.monotonic()
        self.status = 0
        self.is_sse = False
        self.is_complete = False
        self._send = send
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        """`send` of the connection, noting the status and echoing the request id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            self.is_sse = headers.get("content-type", "").startswith("text/event-stream")
            headers.setdefault("X-Request-Id", self.request_id)
            message["headers"] = headers.raw
        else:
            self.is_complete = not message.get("more_body", False)
        await self._send(message)

    async def fail(self, failure: Failure) -> None:
        """Answer with an error; where the answer has begun, end an event stream with one, and cut anything else."""
        if not self.status:
            response = error_response(failure, self.request_id)
            await self.send({"type": "http.response.start", "status": failure.status, "headers": response.raw_headers})
            await self.send({"type": "http.response.body", "body": response.body})
        elif self.is_sse and not self.is_complete:
            body = error_event(error_body(failure, self.request_id))
            await self._send({"type": "http.response.body", "body": body, "more_body": False})


def _counting(receive: Receive, limit: float) -> Receive:
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise TooLarge(limit)
        return message

    return counted
