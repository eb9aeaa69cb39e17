"""Answers `/ping` in the loop's place; whatever else comes is kept, unread, for when the loop is back."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections.abc import Callable

from handrail_container.gate.last_pings import PATHS
from handrail_container.process.steady import Steady

#: Connections that are not answered yet; those that come then wait in the socket's own queue.
MOST_HELD = 512
_METHODS = ("GET", "HEAD", "POST")
_OPENINGS = tuple(f"{method} {path}{end}".encode() for method in _METHODS for path in sorted(PATHS) for end in " ?")
_END_OF_HEAD = b"\r\n\r\n"
_VERSION = re.compile(rb" HTTP/1\.[01]\Z")
_LARGEST_HEAD = 16384
#: How long a head may take to arrive: whoever is slower is left to the loop.
_HEAD_S = 1.0
#: A connection that is closed while its client still sends loses the answer.
_LINGER_S = 0.2
_PAUSE_S = 0.1

#: The answer to a method and a path, as bytes; None is for the loop to say.
Reply = Callable[[str, str], bytes | None]


class StandIn:
    """Lasts as long as one stall, in a thread of its own. `hand_over` is given what is not for us."""

    def __init__(self, listening: socket.socket, hand_over: Callable[[socket.socket], None], reply: Reply) -> None:
        self._listening = listening
        self._hand_over = hand_over
        self._reply = reply
        self._handed_over = 0
        self._came_at: dict[socket.socket, float] = {}
        self._silent: set[socket.socket] = set()
        self._answered_at: dict[socket.socket, float] = {}
        self._steady = Steady("a look at a client that waits for /ping")

    def serve(self, for_s: float) -> None:
        """One turn: wait for somebody to come or to speak, no longer than `for_s`, and look at everybody."""
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
        """The loop is back: what is left is for it."""
        for connection in tuple(self._came_at):
            self._leave_to_the_loop(connection)
        for connection in tuple(self._answered_at):
            self._hang_up(connection)

    @property
    def _room(self) -> int:
        return MOST_HELD - self._handed_over - len(self._came_at) - len(self._answered_at)

    def _wait(self, for_s: float) -> None:
        """Half a head is not waited for here: it stays to be read, and the wait would end at once."""
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
        except BlockingIOError:  # nobody else is there
            return
        except OSError:  # no more files may be open: the wait for somebody to come would end at once
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
        elif _is_whole_ping(head):
            self._answer(connection, head)
        elif not _may_become_ping(head) or now - self._came_at[connection] > _HEAD_S:
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
        with contextlib.suppress(OSError):  # it has gone, or does not read: nobody waits for it
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
        with contextlib.suppress(OSError):  # what came late is read, or the answer would be lost with it
            connection.recv(_LARGEST_HEAD)
        connection.close()

    def _forget(self, connection: socket.socket) -> None:
        self._came_at.pop(connection, None)
        self._silent.discard(connection)


def _is_whole_ping(head: bytes) -> bool:
    """Its request line has a version: what has none is not answered here, and the loop refuses it."""
    line = head.partition(b"\r\n")[0]
    return head.startswith(_OPENINGS) and _END_OF_HEAD in head and _VERSION.search(line) is not None


def _may_become_ping(head: bytes) -> bool:
    """So far it is the beginning of one, and may still grow."""
    return (
        len(head) < _LARGEST_HEAD
        and _END_OF_HEAD not in head
        and any(head.startswith(opening) or opening.startswith(head) for opening in _OPENINGS)
    )
