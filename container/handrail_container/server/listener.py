"""The listening socket and uvicorn on it, which are up before anything is loaded."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import math
import socket
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from handrail_container.process.exits import SettingsError
from handrail_container.process.steady import Steady
from handrail_container.server.open_files import OpenFiles
from handrail_container.server.protocols.self_check import protocol_class
from handrail_container.server.protocols.timeouts import DEFAULT_TIMEOUTS, Timeouts
from handrail_container.server.protocols.websocket import SocketProtocol

logger = logging.getLogger("handrail.access")

_BACKLOG = 2048
#: Keep-alive timeout in seconds: longer than that of the load balancers in front of us.
_KEPT_S = 75
#: Default of the largest message of a WebSocket, in bytes.
_MAX_MESSAGE = 25 << 20

#: Linux's number of the option; Python's socket module has no name for it.
_SO_ATTACH_FILTER = 26
#: A BPF packet filter: TCP packets with SYN are dropped, all others pass.
_NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises SettingsError if the address cannot be bound."""
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
    """Let no new client connect, while connections in the backlog are still accepted.

    Closing a listening socket resets the connections in its backlog, and under load there are always some. With this
    filter the system drops the first packet of new connections instead; the client repeats it, and is refused once the
    socket is closed. On a system without such filters, nothing happens.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in _NO_SYN))
    with contextlib.suppress(OSError):
        at = ctypes.addressof(program)
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_NO_SYN), at))


def _with_timeouts(connection: type[HttpToolsProtocol], timeouts: Timeouts) -> Callable[..., HttpToolsProtocol]:
    """What makes a connection. Uvicorn's own class has no timeouts but that of keep-alive."""
    make: Callable[..., HttpToolsProtocol] = connection
    return make if connection is HttpToolsProtocol else partial(make, timeouts=timeouts)


class Listener(uvicorn.Server):
    """Uvicorn without its signal handling: the lifecycle decides when to stop, and the exit status."""

    def __init__(
        self,
        app: ASGIApp,
        max_message_bytes: float = _MAX_MESSAGE,
        max_unread_bytes: float = math.inf,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self._check_ticks = timeouts.check_ticks
        self._max_unread_bytes = max_unread_bytes
        self._steady = Steady("the look at open connections")
        self._open_files = OpenFiles()
        connection = protocol_class()
        self._connect = _with_timeouts(connection, timeouts)
        looked_at = (connection, SocketProtocol)
        self._looked_at = tuple(kind for kind in looked_at if hasattr(kind, "check_timeouts"))
        config = uvicorn.Config(
            app,
            http=self._connect,  # type: ignore[arg-type]  # uvicorn only calls it
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
        """Called by uvicorn ten times a second."""
        if counter % self._check_ticks == 0:
            now = time.monotonic()
            for connection in self._of_ours():
                with self._steady:
                    connection.check_timeouts(now)
            with self._steady:
                self._open_files.check()
        with self._steady:
            self._cut_unread()
        return await super().on_tick(counter)

    def _of_ours(self) -> list[Any]:
        """The open connections that have limits: those of our own classes, HTTP and WebSockets."""
        return [one for one in self.server_state.connections if isinstance(one, self._looked_at)]

    def _cut_unread(self) -> None:
        """If clients leave more unread than `max_unread_bytes` in all, disconnect those with the most."""
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
        """Serve a connection that was accepted elsewhere. Raises OSError if it has been reset since."""
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> HttpToolsProtocol:
        return self._connect(self.config, self.server_state, self.lifespan.state)

    def close_connections(self) -> None:
        """Add `Connection: close` to the next answer on each connection, which then ends."""
        for connection in self.server_state.connections:
            if isinstance(connection, HttpToolsProtocol) and connection.cycle is not None:
                cycle = connection.cycle
                cycle.default_headers = [*cycle.default_headers, (b"connection", b"close")]

    def keep_alive(self, interval_s: float | None, timeout_s: float | None) -> None:
        """Set the seconds between pings of a WebSocket, and for its pong, for new connections; None leaves a value as
        it is (uvicorn's own is 20 s)."""
        self.config.ws_ping_interval = interval_s or self.config.ws_ping_interval
        self.config.ws_ping_timeout = timeout_s or self.config.ws_ping_timeout

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
