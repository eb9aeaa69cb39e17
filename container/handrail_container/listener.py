"""The socket and uvicorn on it: up before anything is loaded."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from handrail_container.errors import SettingsError
from handrail_container.protocol import LimitedProtocol

_BACKLOG = 2048
_TICKS_A_LOOK = 10


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


class Connection(LimitedProtocol):
    """A client's, which also tells a request at once that its client has left: nobody has to wait for it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["asgi"] = {"version": self.asgi_version, "spec_version": "2.4"}  # a stream need not listen either

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for cycle in self.unanswered():
            if exchange := cycle.scope["state"].get("exchange"):
                exchange.leave()


class Listener(uvicorn.Server):
    """Uvicorn without its signal handling: the lifecycle decides when to stop, and the exit status."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,  # the drain is over by then
        )
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % _TICKS_A_LOOK == 0:
            now = time.monotonic()
            for connection in [one for one in self.server_state.connections if isinstance(one, Connection)]:
                connection.look(now)
        return await super().on_tick(counter)

    def close_connections(self) -> None:
        """Every connection ends with the answer that is under way on it."""
        for connection in self.server_state.connections:
            if isinstance(connection, Connection) and connection.cycle is not None:
                connection.cycle.keep_alive = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
