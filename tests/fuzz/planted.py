"""`handrail` with a fault in it: `planted.py FAULT serve ...`. So that who judges is judged: each must be seen.

A program by itself, which imports nothing of the tests.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import handrail_container.server.listener as listeners
from handrail_container.cli import main
from handrail_container.http import answer, json_bounds
from handrail_container.http.inbox import Inbox
from handrail_container.process import outlet
from handrail_container.process.steady import Steady
from handrail_container.routes import chat_socket
from handrail_container.server import ping_stand_in, teardown
from handrail_container.server.protocols import websocket
from handrail_container.server.protocols.frames import Frames
from handrail_container.server.protocols.http import LimitedProtocol
from handrail_container.server.protocols.reading import RequestReader, _Flow
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _replace(owner: Any, **parts: Any) -> None:
    for name, part in parts.items():
        assert hasattr(owner, name), f"there is no {name} to plant a fault in"
        setattr(owner, name, part)


def upgrade() -> None:
    """What comes behind an Upgrade that is no WebSocket's is the next request."""

    def on_headers_complete(self: Any) -> None:
        HttpToolsProtocol.on_headers_complete(self)
        self.headers = []

    def on_upgrade(self: Any, rest: bytes) -> None:
        if self._should_upgrade():
            self.handle_websocket_upgrade()

    _replace(RequestReader, _on_upgrade=on_upgrade)
    _replace(LimitedProtocol, on_headers_complete=on_headers_complete)


def json() -> None:
    """A JSON body has any number of values."""
    _replace(json_bounds.JsonCount, add=_nothing)


def chat() -> None:
    """And so has a WebSocket's message."""
    _replace(chat_socket, require_bounded=_nothing)


def sockets() -> None:
    """Uvicorn's WebSockets: messages are inflated."""
    from uvicorn.protocols.websockets.websockets_impl import WebSocketProtocol

    class Inflating(WebSocketProtocol):
        check_timeouts = _nothing

        def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
            config.ws_max_size = 100 << 20
            super().__init__(config, *args, **kwargs)

    _replace(listeners, SocketProtocol=Inflating)


def messages() -> None:
    """Messages of a WebSocket wait without bound."""
    _replace(Inbox, is_full=False)


def frames() -> None:
    """A message of a WebSocket has any size."""
    was = Frames.__init__

    def unbounded(self: Frames, most: int) -> None:
        was(self, 1 << 40)

    _replace(Frames, __init__=unbounded)


def handshakes() -> None:
    """A handshake that goes wrong is not answered."""
    _replace(websocket.SocketProtocol, _refuse=_nothing)


def stops() -> None:
    """A connection that cannot be ended ends the stop."""

    async def end(self: Any, part: str, step: Any, within_s: float | None) -> None:
        if inspect.isawaitable(result := step()):
            await result

    def shutdown(self: Any) -> None:
        raise AssertionError("it is half closed")

    _replace(websocket.SocketProtocol, shutdown=shutdown, _refuse=_nothing)
    _replace(teardown.Teardown, _end=end)


def guard() -> None:
    """A request line without a version ends the guard's thread."""

    def is_whole_ping(head: bytes, begins: tuple[bytes, ...]) -> bool:
        return head.startswith(begins) and ping_stand_in._END_OF_HEAD in head

    def on_answer(self: Any, connection: Any, head: bytes) -> None:
        _method, _target, _version = head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
        answered(self, connection, head)

    answered = ping_stand_in.StandIn._answer
    _replace(ping_stand_in, _is_whole_ping=is_whole_ping)
    _replace(ping_stand_in.StandIn, _answer=on_answer)
    _replace(Steady, __exit__=_nothing)


def pipeline() -> None:
    """Requests behind one that is not answered are taken apart, however many."""

    def data_received(self: Any, data: bytes) -> None:
        self._feed(data)

    _replace(RequestReader, data_received=data_received)
    _replace(_Flow, resume_reading=FlowControl.resume_reading)


def leaving() -> None:
    """A client that has left is sent to, and a stream gives nobody a turn."""
    was = answer.Answer.send

    async def send(self: Any, message: Any) -> None:
        self._stop, self._pieces = None, 1 << 60
        await was(self, message)

    _replace(answer.Answer, send=send)
    from handrail_container.gate.exchange import Exchange

    del Exchange.handrail_pour


def log() -> None:
    """Whoever prints waits for who reads it."""
    _replace(outlet, install=_nothing)


FAULTS: dict[str, Callable[[], None]] = {
    plant.__name__: plant
    for plant in (*(upgrade, json, chat, sockets, messages, frames, handshakes, stops, guard, pipeline, leaving, log),)
}

if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    main()
