"""The WebSocket protocol for untrusted clients: bounds on what is sent and buffered, and timeouts.

Uvicorn has three protocols for WebSockets. None bounds what is buffered, none closes a failed handshake, and none
disconnects a client that does not read; to mend one takes nearly all of its private parts. So this one is our own. It
uses public interfaces only: uvicorn takes any protocol class as `ws`, and hands it the head that it has parsed.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from typing import Any, cast

from starlette.types import Message, Scope

from handrail_container.http.envelope import Failure, error_response, request_id_of
from handrail_container.http.explain import BUG
from handrail_container.http.inbox import Inbox
from handrail_container.server.protocols import frames, handshake
from handrail_container.server.protocols.frames import Frames
from handrail_container.server.protocols.half_close import end_writing
from handrail_container.server.protocols.patience import Due, Patience

logger = logging.getLogger("handrail.access")

#: Seconds that a client has to answer our close frame with its own.
CLOSE_S = 10.0
#: Seconds for which input is discarded before the close: an immediate close could lose the last that we sent.
_LINGER_S = 1.0
#: Bytes that are parsed in one turn of the event loop.
_PIECE = 16 * 1024
#: Bytes that may wait to be parsed; while there are more, reading is paused.
_MOST_UNPARSED = 64 * 1024

_NO_CODE, _LOST, _FAILED, _RESTART = 1005, 1006, 1011, 1012
_STOPPING = Failure(503, "the server is stopping", "draining", headers={"Retry-After": "5"})
_FORBIDDEN = Failure(403, "the WebSocket was not accepted")


class SocketStage(Enum):
    """The stage of a connection."""

    NEW = "nothing was asked"
    ASKED = "the application has not said whether it accepts"
    OPEN = "messages go both ways"
    CLOSING = "its end has been said, or the handshake was refused"
    LOST = "there is no connection any more"


class SocketProtocol(asyncio.Protocol):
    """One connection, from the handshake's head on."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.stage = SocketStage.NEW
        self._app = config.loaded_app
        self._root_path: str = config.root_path
        self._server_state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._frames = Frames(config.ws_max_size)
        self._patience = Patience(config.ws_ping_interval, config.ws_ping_timeout)
        self._inbox = Inbox()
        self._head = handshake.Head(b"", b"", [])
        self._refusal: Message = {}
        self._refusal_body = b""
        self._unparsed = bytearray()
        self._is_turning = False
        self._is_reading = True
        self._is_deaf = False
        self._writable = asyncio.Event()
        self._writable.set()

    # The transport's callbacks.

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._server_state.connections.add(self)
        _, high = transport.get_write_buffer_limits()
        if transport.get_write_buffer_size() > high:  # of earlier answers, which the client has not read
            self._writable.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stage = SocketStage.LOST
        self._server_state.connections.discard(self)
        self._inbox.end(_NO_CODE)
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._patience.hear()
        if self._is_deaf:
            return
        self._unparsed += data
        if self.stage is SocketStage.NEW:
            self._ask()
        elif not self._is_turning:
            self._turn()
        self._pace()

    # The handshake.

    def _ask(self) -> None:
        head, _, self._unparsed = self._unparsed.partition(b"\r\n\r\n")
        self.stage = SocketStage.ASKED
        self._head = handshake.read(bytes(head))
        wrong = handshake.fault(self._head)
        scope = wrong or handshake.scope(self._head, self._root_path, self.transport, self._app_state)
        if isinstance(scope, Failure):
            self._refuse(scope)
            return
        self._inbox.put({"type": "websocket.connect"})
        task = self._loop.create_task(self._run(scope))
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    async def _run(self, scope: Scope) -> None:
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:
            logger.error("a bug in Handrail, at a WebSocket", exc_info=error)
        finally:
            if self.stage is SocketStage.ASKED:
                self._refuse(BUG)
            elif self.stage is SocketStage.OPEN:
                self._end(_FAILED)

    def _refuse(self, failure: Failure) -> None:
        """Answer with an error in place of the application, which was not called or has not answered."""
        own = request_id_of(dict(self._head.headers))
        response = error_response(failure, own)
        self._answer(failure.status, [*response.raw_headers, (b"x-request-id", own.encode())], bytes(response.body))
        logger.info("refused %d %s request_id=%s", failure.status, failure.message, own)

    def _answer(self, status: int, headers: handshake.Headers, body: bytes) -> None:
        """An HTTP answer in place of a WebSocket."""
        whole = [*self._server_state.default_headers, *headers, (b"connection", b"close")]
        self._write(handshake.answer(status, whole, body))
        self._inbox.cut(_LOST)
        self._hang_up()

    # Input from the client.

    def _turn(self) -> None:
        """Parse a piece of the input; other tasks get a turn before the next piece."""
        self._is_turning = False
        if not self._may_go_on():
            return
        piece = bytes(self._unparsed[:_PIECE])
        del self._unparsed[:_PIECE]
        for message in self._frames.take(piece):
            if self.stage is SocketStage.OPEN:
                self._inbox.put(message)
        if self._frames.fault is not None:
            self._end(self._frames.fault.code, self._frames.fault.reason)
            return
        self._write(self._frames.replies())
        if self._frames.left is not None:
            self._part(self._frames.left.code, self._frames.left.reason)
        self._go_on()

    def _may_go_on(self) -> bool:
        if self._is_deaf or self.stage not in (SocketStage.OPEN, SocketStage.CLOSING):
            return False
        return bool(self._unparsed) and self._writable.is_set() and not self._inbox.is_full

    def _go_on(self) -> None:
        if not self._is_turning and self._may_go_on():
            self._is_turning = True
            self._loop.call_soon(self._turn)
        self._pace()

    def _pace(self) -> None:
        """Pause or resume reading, by the amount of unparsed input."""
        may_read = len(self._unparsed) < _MOST_UNPARSED
        if may_read is not self._is_reading and not self.transport.is_closing():
            self._is_reading = may_read
            (self.transport.resume_reading if may_read else self.transport.pause_reading)()

    # The application's `receive` and `send`.

    async def _receive(self) -> Message:
        message = await self._inbox.get()
        self._go_on()
        return message

    async def _send(self, message: Message) -> None:
        """ASGI's `send`. A message waits while the client does not read, and gives other tasks a turn in any case.

        Raises OSError once the WebSocket is closed, ValueError for a message that cannot be sent.
        """
        kind = message["type"]
        if kind == "websocket.send":
            await asyncio.sleep(0)
            await self._writable.wait()
        if self.stage in (SocketStage.CLOSING, SocketStage.LOST):
            raise ConnectionAbortedError("the WebSocket is closed")
        if kind == "websocket.send":
            self._write(self._frames.message(message))
        elif kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.close":
            self._close(message.get("code", 1000), message.get("reason") or "")
        elif kind == "websocket.http.response.start":
            self._refusal = message
        else:
            self._send_refusal(message)

    def _accept(self, message: Message) -> None:
        headers = [*self._server_state.default_headers, *message.get("headers", [])]
        self._write(handshake.acceptance(self._head, headers, message.get("subprotocol")))
        self.stage = SocketStage.OPEN
        self._patience.open()
        self._go_on()

    def _close(self, code: int, reason: str) -> None:
        if self.stage is SocketStage.ASKED:
            self._refuse(_FORBIDDEN)
            return
        self._write(self._frames.close(code, reason))
        self.stage = SocketStage.CLOSING
        self._inbox.cut(code, reason)
        self._patience.end_within(CLOSE_S)
        self._go_on()

    def _send_refusal(self, message: Message) -> None:
        self._refusal_body += message.get("body", b"")
        if not message.get("more_body"):
            self._answer(self._refusal["status"], list(self._refusal["headers"]), self._refusal_body)

    def _write(self, data: bytes) -> None:
        if data and not self.transport.is_closing():
            self.transport.write(data)

    # The end.

    def _part(self, code: int, reason: str) -> None:
        """Close after the client's close frame, whether it is the first or the answer to ours."""
        self.stage, self._is_deaf = SocketStage.CLOSING, True
        self._inbox.end(code, reason)
        self._patience.end_within(CLOSE_S)
        self.transport.close()

    def _end(self, code: int, reason: str = "") -> None:
        """Close from our side, with a close frame unless one was sent already."""
        if self.stage is SocketStage.OPEN:
            self._write(frames.last(code, reason))
        self._inbox.cut(code, reason)
        self._hang_up()

    def _hang_up(self) -> None:
        self.stage, self._is_deaf = SocketStage.CLOSING, True
        self._unparsed.clear()
        self._patience.end_within(_LINGER_S)
        self._pace()
        end_writing(self.transport)

    def shutdown(self) -> None:
        """Called by uvicorn when it stops."""
        if self.stage is SocketStage.OPEN:
            self._end(_RESTART, "service restart")
        elif self.stage is SocketStage.ASKED:
            self._refuse(_STOPPING)
        self.transport.close()

    def check_timeouts(self, now: float) -> None:
        """Called about once a second: disconnect a client past its timeout, and send pings that are due."""
        unread, is_open = self.transport.get_write_buffer_size(), self.stage is SocketStage.OPEN
        due = self._patience.check(now, unread, is_open=is_open, is_read=self._is_reading)
        if due is Due.CUT:
            self._inbox.cut(_LOST)
            self.transport.abort()
        elif due is Due.PING:
            self._write(self._frames.ping())
        elif due is Due.SILENT:
            self._end(_FAILED, "keepalive ping timeout")
