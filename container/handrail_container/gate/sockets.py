"""Entry point of every WebSocket: assigns the id, checks key, origin and readiness, and closes it with a code.

| code | means                                                          |
|------|----------------------------------------------------------------|
| 1000 | the handler returned                                           |
| 1002 | the client broke the protocol's rules                          |
| 1003 | nothing here speaks WebSocket on this path                     |
| 1006 | the connection was lost, or cut as its client took nothing     |
| 1007 | a text was not UTF-8                                           |
| 1009 | a message was larger than `HANDRAIL_MAX_BODY_MB`               |
| 1011 | the handler raised; the log has it                             |
| 1012 | the server stops, and the time to finish is over               |

A connection that is refused before it is accepted gets an HTTP answer with our error in it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import WebSocketException
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from handrail_container.gate.access import loggable
from handrail_container.gate.keys import Keys
from handrail_container.gate.lifecycle import Lifecycle
from handrail_container.gate.metrics import open_websockets, websockets
from handrail_container.http.envelope import Failure, error_response, request_id_of
from handrail_container.http.origins import Origins
from handrail_container.process import log_lines
from handrail_container.routes.endpoint import Finds, FindsNothing, SocketEndpoint

logger = logging.getLogger("handrail.access")

_DONE, _FAILED, _RESTART = 1000, 1011, 1012
#: Codes that are logged only if all requests are: the handler is done, or the client left.
_DULL = (_DONE, 1001, 1005)
#: Codes that count as the client's errors: a violation, unread output, unanswered pings.
_FAULTS = (1002, 1006, 1007, 1009, _FAILED)
#: A close frame holds 125 bytes, two of them the code.
_LONGEST_REASON = 123


class Sockets:
    """Admits and serves WebSockets. `endpoints` answer by path, once the server is ready."""

    def __init__(self, lifecycle: Lifecycle, access_log: str) -> None:
        self.endpoints: Mapping[str, SocketEndpoint] = {}
        self.applications: Finds = FindsNothing()
        self.keys: Keys | None = None
        self.origins = Origins()
        #: Most WebSockets that may be open.
        self.most: float = math.inf
        self._lifecycle = lifecycle
        self._access_log = access_log
        self._open: set[Socket] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = Socket(scope, receive, send)
        try:
            with suppress(OSError):  # the client left during the answer
                await self._admit(socket)
        finally:
            self._open.discard(socket)
            open_websockets.set(len(self._open))
            websockets.labels(_outcome(socket)).inc()
            self._log(socket)

    async def close_all(self) -> None:
        """Close the WebSockets that are still open at the end of the drain; their handlers see a disconnect."""
        for socket in tuple(self._open):
            with suppress(OSError):  # the client left meanwhile
                await socket.close(_RESTART, "service restart")

    async def _admit(self, socket: Socket) -> None:
        path = socket.scope["path"]
        headers = dict(socket.scope["headers"])
        refusal = (self.keys.refusal(None, headers) if self.keys else None) or self.origins.refusal(headers)
        if refusal is None and not self._lifecycle.is_ready:
            refusal = self._lifecycle.refusal()
        if refusal is not None:
            await socket.refuse(refusal)
            return
        endpoint = self.endpoints.get(path) or self.applications.socket(socket.scope)
        if endpoint is None:
            await socket.refuse(Failure(404, f"there is no WebSocket at {path}"))
        elif len(self._open) >= self.most:
            await socket.refuse(_full(len(self._open)))
        else:
            self._open.add(socket)
            open_websockets.set(len(self._open))
            await self._serve(endpoint, socket)

    async def _serve(self, endpoint: SocketEndpoint, socket: Socket) -> None:
        try:
            await endpoint.app(socket.scope, socket.receive, socket.send)
            await socket.close(_DONE)
        except WebSocketDisconnect:  # the client closed it
            await socket.close(_DONE)
        except WebSocketException as error:  # the handler chose its code
            await socket.close(error.code, error.reason)
        except asyncio.CancelledError as error:  # by the handler itself, or by the listener after the drain
            if self._lifecycle.is_ready:
                await socket.fail(endpoint.explain(error, socket.request_id))
            else:
                await socket.close(_RESTART, "service restart")
        except BaseException as error:  # noqa: BLE001  a user's handler may raise anything, sys.exit() too
            await socket.fail(endpoint.explain(error, socket.request_id))

    def _log(self, socket: Socket) -> None:
        if self._access_log == "off" or (self._access_log == "errors" and socket.code in _DULL):
            return
        seconds = time.monotonic() - socket.began
        path = loggable(socket.scope["path"])
        logger.info("WS %s %d %.0f ms request_id=%s", path, socket.code, seconds * 1000, socket.request_id)


class Socket:
    """One connection: its id and state. `code` is its close code or the status of a refusal; 0 while it is open."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.request_id = request_id_of(dict(scope["headers"]))
        self.began = time.monotonic()
        self.code = 0
        self.failure: Failure | None = None
        self._is_accepted = False
        self._receive = receive
        self._send = send
        log_lines.request_id.set(self.request_id)  # the task is this connection's alone
        state = scope.setdefault("state", {})
        state["request_id"] = state["handrail.request_id"] = self.request_id

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and not self.code:
            self.code = message.get("code") or 1005
        return message

    async def send(self, message: Message) -> None:
        """ASGI's `send`. Raises OSError once the WebSocket is closed, as the listener does when the client left."""
        if self.code:
            await asyncio.sleep(0)  # a handler that ignores the error must not block others
            raise ConnectionAbortedError("the WebSocket is closed")
        if message["type"] == "websocket.accept":
            self._is_accepted = True
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            headers.setdefault("X-Request-Id", self.request_id)
            message = {**message, "headers": headers.raw}
        elif message["type"] == "websocket.close":
            self.code = message.get("code", _DONE)
            message = {**message, "reason": _short(message.get("reason") or "")}
        elif message["type"] == "websocket.http.response.start":
            self.code = message["status"]
        await self._send(message)

    async def close(self, code: int, reason: str = "") -> None:
        """Close the connection, if it is open; if it was not accepted yet, with an HTTP answer."""
        if not self._is_accepted and not self.code:
            await self.refuse(Failure(503, reason or "nobody accepted the WebSocket"))
        elif not self.code:
            await self.send({"type": "websocket.close", "code": code, "reason": reason})

    async def fail(self, failure: Failure) -> None:
        """Close after the handler's error. An HTTPException's text is the reason; any other error is only logged."""
        self.failure = failure
        hidden = f"Internal Server Error; the log has it under request_id={self.request_id}"
        if not self._is_accepted and not self.code:
            await self.refuse(failure)
        else:
            await self.close(_FAILED, hidden if failure.kind == "handler_error" else failure.message)

    async def refuse(self, failure: Failure) -> None:
        """An HTTP answer instead of a WebSocket."""
        response = error_response(failure, self.request_id)
        response.headers.setdefault("X-Request-Id", self.request_id)
        start: dict[str, Any] = {"status": failure.status, "headers": response.raw_headers}
        self.code = failure.status
        await self._send({"type": "websocket.http.response.start", **start})
        await self._send({"type": "websocket.http.response.body", "body": response.body})


def _short(reason: str) -> str:
    return reason.encode()[:_LONGEST_REASON].decode(errors="ignore")


def _full(number: int) -> Failure:
    message = f"{number} WebSockets are open, which is all there is room for (HANDRAIL_MAX_WEBSOCKETS)"
    return Failure(503, message, headers={"Retry-After": "5"})


def _outcome(socket: Socket) -> str:
    """One of the outcomes that requests have (`metrics.OUTCOMES`)."""
    if socket.failure is not None:
        return "handler_error" if socket.failure.status >= 500 else "client_error"
    if socket.code in (503, _RESTART):
        return "rejected" if socket.code == 503 else "cancelled"
    return "client_error" if socket.code in _FAULTS or 400 <= socket.code < 1000 else "ok"
