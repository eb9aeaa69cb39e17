"""Watches the event loop from a thread, and has `/ping` answered while a handler blocks the loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from handrail_container.gate.gate import Gate
from handrail_container.gate.last_pings import PATHS, ping_answer, wire
from handrail_container.http.envelope import Failure, error_response
from handrail_container.process import children
from handrail_container.process.blocked_at import place_of
from handrail_container.process.exits import ExitCode
from handrail_container.process.steady import Steady
from handrail_container.server.ping_stand_in import StandIn

logger = logging.getLogger("handrail")

_WAKE_S = 0.1
#: Seconds without a beat of the event loop, due every 0.1 s, after which it counts as blocked.
_LATE_S = 0.3
#: Seconds of blocking after which a warning is logged.
_WARN_S = 1.0


@dataclass(frozen=True)
class ListenerHandle:
    """The listening socket, and what serves, on the event loop, a connection that was accepted elsewhere."""

    listening: socket.socket
    adopt: Callable[[socket.socket], Awaitable[None]]


class Watchdog:
    """Started and stopped on the loop it watches; in between it touches the socket only while the loop is blocked.

    After `stall_s` seconds of blocking, `/ping` is 503, so that the platform may restart the container.
    """

    def __init__(self, gate: Gate, door: ListenerHandle, stall_s: float) -> None:
        self._gate = gate
        self._door = door
        self._stall_s = stall_s
        #: Monotonic time at which this thread ends the process if the loop is still blocked.
        self.ends_at = math.inf
        self._stopped = threading.Event()
        #: The last beat before the stall that was logged last.
        self._warned_of = -math.inf
        self._steady = Steady("the guard of the event loop")
        self._adopting: set[asyncio.Future[None]] = set()
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loops_thread = threading.get_ident()
        self._thread.start()

    def stop(self) -> None:
        """The socket may be closed after this."""
        self._stopped.set()
        self._thread.join()

    @property
    def _late_s(self) -> float:
        return time.monotonic() - self._gate.beat_at

    def _watch(self) -> None:
        while not self._stopped.wait(_WAKE_S):
            with self._steady:
                if self._late_s > _LATE_S:
                    self._stand_in()

    def _stand_in(self) -> None:
        """Answer pings until the loop runs again. If a turn fails, a new stand-in serves the connections of then."""
        began = self._gate.beat_at
        paths = PATHS | {self._gate.health_route}
        stand_in = StandIn(self._door.listening, self._hand_over, self._reply, paths)
        try:
            while self._gate.beat_at == began and not self._stopped.is_set():
                self._end_in_time()
                stand_in.serve(_WAKE_S)
                if self._warned_of != began and self._late_s > _WARN_S:
                    self._warn(began)
        finally:
            stand_in.end()
        if self._warned_of == began:
            logger.warning("the event loop is free again; it was blocked for %.1f s", self._gate.beat_at - began)

    def _end_in_time(self) -> None:
        """Called first in each turn: no step that fails or takes long may delay the exit."""
        if time.monotonic() > self.ends_at:
            logger.warning("the server was asked to stop, and its event loop is still blocked: it ends as it is")
            children.exit_with(ExitCode.CLEAN)

    def _warn(self, began: float) -> None:
        """Log one warning per stall. Before the server is ready, log it only if the user's code is blocking."""
        place = place_of(self._loops_thread)
        if place is None or not (place.is_users or self._gate.lifecycle.is_ready):
            return
        self._warned_of = began
        logger.warning(
            "the event loop has been blocked for %.1f s, and no request gets on: %s. Await what takes long, or do it "
            "in a `def` handler, which runs in a thread; /ping repeats its last answer meanwhile.",
            self._late_s,
            place,
        )

    def _reply(self, method: str, path: str) -> bytes | None:
        if path not in PATHS and method == "POST":
            return None  # the platform's health route is a ping with GET alone
        said, late_s = self._gate.last_pings.last(path if path in PATHS else "/ping"), self._late_s
        if late_s > self._stall_s:
            message = f"the event loop has been blocked for {late_s:.0f} s (HANDRAIL_STALL_S is {self._stall_s:g})"
            said = ping_answer(error_response(Failure(503, message, "stalled"), ""))
        return wire(said, has_body=method != "HEAD") if said is not None else None

    def _hand_over(self, connection: socket.socket) -> None:
        try:
            self._loop.call_soon_threadsafe(self._adopt, connection)
        except RuntimeError:  # the loop has closed
            connection.close()

    def _adopt(self, connection: socket.socket) -> None:
        adopting = asyncio.ensure_future(self._adopted(connection))
        self._adopting.add(adopting)
        adopting.add_done_callback(self._adopting.discard)

    async def _adopted(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client reset it meanwhile
            await self._door.adopt(connection)
