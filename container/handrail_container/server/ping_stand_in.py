"""Answers `/ping` from a thread while the event loop is blocked; other connections are handed back unread."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections.abc import Callable

from handrail_container.gate.last_pings import PATHS
from handrail_container.process.steady import Steady

#: Most connections that are held during one stall; further ones wait in the socket's backlog.
MOST_HELD = 512
_METHODS = ("GET", "HEAD", "POST")
_END_OF_HEAD = b"\r\n\r\n"
_VERSION = re.compile(rb" HTTP/1\.[01]\Z")
_LARGEST_HEAD = 16384
#: Seconds that a head may take to arrive; a slower client is left to the loop.
_HEAD_S = 1.0
#: Seconds from the answer to the close: a close while the client still sends would lose the answer.
_LINGER_S = 0.2
_PAUSE_S = 0.1

#: The answer to a method and a path, as bytes; None leaves the connection to the loop.
Reply = Callable[[str, str], bytes | None]


class StandIn:
    """Lasts as long as one stall, in the watchdog's thread. `hand_over` is given each connection left to the loop."""

    def __init__(
        self,
        listening: socket.socket,
        hand_over: Callable[[socket.socket], None],
        reply: Reply,
        paths: frozenset[str] = PATHS,
        head_s: float = _HEAD_S,
        most_held: int = MOST_HELD,
    ) -> None:
        self._listening = listening
        self._hand_over = hand_over
        self._reply = reply
        self._openings = openings(paths)
        self._head_s = head_s
        self._most_held = most_held
        self._handed_over = 0
        self._came_at: dict[socket.socket, float] = {}
        self._silent: set[socket.socket] = set()
        self._answered_at: dict[socket.socket, float] = {}
        self._steady = Steady("a look at a client that waits for /ping")

    def serve(self, for_s: float) -> None:
        """One turn: wait up to `for_s` seconds for a connection or for data, then look at all connections."""
        self._wait(for_s)
        self._accept()
        now = time.monotonic()
        for connection in tuple(self._came_at):
            with self._steady:
                self._look(connection, now)
        for connection, answered_at in tuple(self._answered_at.items()):
            if now - answered_at > _LINGER_S:
                self._hang_up(connection)

    def end(self) -> None:
        """Hand the unanswered connections to the loop, which runs again."""
        for connection in tuple(self._came_at):
            self._leave_to_the_loop(connection)
        for connection in tuple(self._answered_at):
            self._hang_up(connection)

    @property
    def _room(self) -> int:
        return self._most_held - self._handed_over - len(self._came_at) - len(self._answered_at)

    def _wait(self, for_s: float) -> None:
        """Connections with half a head are left out: their unread data would end the wait at once."""
        waiting = select.poll()
        for connection in self._silent:
            waiting.register(connection, select.POLLIN)
        if self._room > 0:
            waiting.register(self._listening, select.POLLIN)
        waiting.poll(for_s * 1000)

    def _accept(self) -> None:
        try:
            while self._room > 0:
                connection, _ = self._listening.accept()
                connection.setblocking(False)
                self._came_at[connection] = time.monotonic()
        except BlockingIOError:  # no connection is pending
            return
        except OSError:  # no file descriptors are left: the next wait would end at once
            time.sleep(_PAUSE_S)

    def _look(self, connection: socket.socket, now: float) -> None:
        try:
            head = connection.recv(_LARGEST_HEAD, socket.MSG_PEEK)
        except BlockingIOError:
            self._silent.add(connection)
            head = b""
        except OSError:  # it was reset
            head = None
        else:
            self._silent.discard(connection)
            head = head or None  # it was closed
        if head is None:
            self._hang_up(connection)
        elif _is_whole_ping(head, self._openings):
            self._answer(connection, head)
        elif not _may_become_ping(head, self._openings) or now - self._came_at[connection] > self._head_s:
            self._leave_to_the_loop(connection)

    def _answer(self, connection: socket.socket, head: bytes) -> None:
        line = head.partition(b"\r\n")[0].decode("latin-1")
        method, _, target = line.partition(" ")
        reply = self._reply(method, target.partition(" ")[0].partition("?")[0])
        if reply is None:
            self._leave_to_the_loop(connection)
            return
        self._forget(connection)
        self._answered_at[connection] = time.monotonic()
        with contextlib.suppress(OSError):  # the client has gone, or does not read
            connection.recv(_LARGEST_HEAD)
            connection.send(reply)
            connection.shutdown(socket.SHUT_WR)

    def _leave_to_the_loop(self, connection: socket.socket) -> None:
        self._forget(connection)
        self._handed_over += 1
        self._hand_over(connection)

    def _hang_up(self, connection: socket.socket) -> None:
        self._forget(connection)
        self._answered_at.pop(connection, None)
        with contextlib.suppress(OSError):  # a close with unread data would lose the answer
            connection.recv(_LARGEST_HEAD)
        connection.close()

    def _forget(self, connection: socket.socket) -> None:
        self._came_at.pop(connection, None)
        self._silent.discard(connection)


def openings(paths: frozenset[str]) -> tuple[bytes, ...]:
    """How a ping begins."""
    return tuple(f"{method} {path}{end}".encode() for method in _METHODS for path in sorted(paths) for end in " ?")


def _is_whole_ping(head: bytes, begins: tuple[bytes, ...]) -> bool:
    """Whether `head` is a complete ping. A request line without a version is left to the loop, which refuses it."""
    line = head.partition(b"\r\n")[0]
    return head.startswith(begins) and _END_OF_HEAD in head and _VERSION.search(line) is not None


def _may_become_ping(head: bytes, begins: tuple[bytes, ...]) -> bool:
    """Whether `head` is the incomplete beginning of a ping."""
    return (
        len(head) < _LARGEST_HEAD
        and _END_OF_HEAD not in head
        and any(head.startswith(opening) or opening.startswith(head) for opening in begins)
    )
