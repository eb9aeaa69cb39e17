"""The socket and uvicorn on it: up before anything is loaded."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import WS_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from handrail_container.errors import SettingsError

_BACKLOG = 2048
#: The largest message of a WebSocket, in bytes, as Truss has it.
_MAX_MESSAGE = 100 << 20
#: Of uvicorn's two the newer, which older releases do not have.
_SANS_IO = "websockets-sansio"


def bind(host: str, port: int) -> socket.socket:
    """Raises SettingsError where the address cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror}. "
            "Stop what uses the port, or choose another (--port, SAGEMAKER_BIND_TO_PORT)."
        ) from None
    listening.set_inheritable(False)
    return listening


class Connection(HttpToolsProtocol):
    """Uvicorn's, which also tells a request at once that its client has left: nobody has to wait for it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["asgi"] = {"version": self.asgi_version, "spec_version": "2.4"}  # a stream need not listen either

    def connection_lost(self, exc: Exception | None) -> None:
        waiting = [cycle for cycle in (self.cycle, *(cycle for cycle, _ in self.pipeline)) if cycle is not None]
        super().connection_lost(exc)
        for cycle in waiting:
            if not cycle.response_complete and (exchange := cycle.scope["state"].get("exchange")):
                exchange.leave()


class Listener(uvicorn.Server):
    """Uvicorn without its signal handling: the lifecycle decides when to stop, and the exit status."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            lifespan="off",
            ws=_SANS_IO if _SANS_IO in WS_PROTOCOLS else "websockets",
            ws_max_size=_MAX_MESSAGE,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,  # the drain is over by then
        )
        super().__init__(config)

    def close_connections(self) -> None:
        """Every connection ends with the answer that is under way on it."""
        for connection in self.server_state.connections:
            if isinstance(connection, Connection) and connection.cycle is not None:
                connection.cycle.keep_alive = False

    def keep_alive(self, interval_s: float | None, timeout_s: float | None) -> None:
        """How often an open WebSocket is pinged, and how long the pong may take, for connections from now on; None is
        uvicorn's own 20 s."""
        self.config.ws_ping_interval = interval_s or self.config.ws_ping_interval
        self.config.ws_ping_timeout = timeout_s or self.config.ws_ping_timeout

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
