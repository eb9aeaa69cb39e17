"""The socket and uvicorn on it: up before anything is loaded."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import math
import socket
import struct
import time
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from handrail_container.process.exits import SettingsError
from handrail_container.process.steady import Steady
from handrail_container.server.open_files import OpenFiles
from handrail_container.server.protocols.self_check import protocol_class
from handrail_container.server.protocols.websocket import SocketProtocol

logger = logging.getLogger("handrail.access")

_BACKLOG = 2048
#: Seconds that a connection is kept for the next request: longer than the balancers in front of us keep theirs.
_KEPT_S = 75
#: The largest message of a WebSocket, in bytes, where nobody says.
_MAX_MESSAGE = 25 << 20
_TICKS_A_LOOK = 10

#: Linux's number of it, which Python's socket module has no name for.
_SO_ATTACH_FILTER = 26
#: A packet filter: of TCP, what carries SYN is dropped, and everything else passes.
_NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


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
    listening.setblocking(False)  # the guard may accept before uvicorn has begun
    return listening


def admit_nobody_new(listening: socket.socket) -> None:
    """From now on nobody can connect, while those who have are still accepted.

    To close a listening socket resets the connections that nobody has accepted yet, and there are always some under
    load. The system drops the first packet of new ones instead; its sender repeats it, and is refused once the socket
    is closed. Where the system has no such filter, nothing happens.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in _NO_SYN))
    with contextlib.suppress(OSError):
        at = ctypes.addressof(program)
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_NO_SYN), at))


class Listener(uvicorn.Server):
    """Uvicorn without its signal handling: the lifecycle decides when to stop, and the exit status."""

    def __init__(
        self, app: ASGIApp, max_message_bytes: float = _MAX_MESSAGE, max_unread_bytes: float = math.inf
    ) -> None:
        self._max_unread_bytes = max_unread_bytes
        self._steady = Steady("the look at open connections")
        self._open_files = OpenFiles()
        self._connection = protocol_class()
        looked_at = (self._connection, SocketProtocol)
        self._looked_at = tuple(kind for kind in looked_at if hasattr(kind, "look"))
        config = uvicorn.Config(
            app,
            http=self._connection,
            lifespan="off",
            ws=SocketProtocol,
            ws_max_size=int(max_message_bytes),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEPT_S,
            timeout_graceful_shutdown=1,  # the drain is over by then
        )
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % _TICKS_A_LOOK == 0:
            now = time.monotonic()
            for connection in self._of_ours():
                with self._steady:
                    connection.look(now)
            with self._steady:
                self._open_files.look()
        with self._steady:
            self._cut_unread()
        return await super().on_tick(counter)

    def _of_ours(self) -> list[Any]:
        """The open connections that know limits: ours, and WebSockets."""
        return [one for one in self.server_state.connections if isinstance(one, self._looked_at)]

    def _cut_unread(self) -> None:
        """Where clients leave more unread than there is memory for, those go that leave the most."""
        unread = [(connection.transport.get_write_buffer_size(), connection) for connection in self._of_ours()]
        over = sum(size for size, _ in unread) - self._max_unread_bytes
        for size, connection in sorted(unread, key=itemgetter(0), reverse=True) if over > 0 else ():
            if over > 0:
                over -= size
                connection.transport.abort()
                logger.warning("a client was cut off: %d bytes for it were not read (HANDRAIL_MAX_UNREAD_MB)", size)

    @property
    def has_connections(self) -> bool:
        return bool(self.server_state.connections)

    async def adopt(self, connection: socket.socket) -> None:
        """Serve a connection that was accepted elsewhere. Raises OSError where it has been reset since."""
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> HttpToolsProtocol:
        return self._connection(self.config, self.server_state, self.lifespan.state)

    def close_connections(self) -> None:
        """Every connection ends with the next answer that begins on it, which says so."""
        for connection in self.server_state.connections:
            if isinstance(connection, HttpToolsProtocol) and connection.cycle is not None:
                cycle = connection.cycle
                cycle.default_headers = [*cycle.default_headers, (b"connection", b"close")]

    def keep_alive(self, interval_s: float | None, timeout_s: float | None) -> None:
        """How often an open WebSocket is pinged, and how long the pong may take, for connections from now on; None is
        uvicorn's own 20 s."""
        self.config.ws_ping_interval = interval_s or self.config.ws_ping_interval
        self.config.ws_ping_timeout = timeout_s or self.config.ws_ping_timeout

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
