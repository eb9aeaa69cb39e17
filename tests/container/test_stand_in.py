from __future__ import annotations

import contextlib
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from handrail_container.server import ping_stand_in as module
from handrail_container.server.listener import bind
from handrail_container.server.ping_stand_in import StandIn
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.servers import eventually


class Desk:
    """A stand-in, what it hands over, and clients that come."""

    def __init__(self, listening: socket.socket, **limits: Any) -> None:
        self.address = listening.getsockname()
        self.handed: list[socket.socket] = []
        self.stack = contextlib.ExitStack()
        self.standing = StandIn(listening, self._take, lambda method, path: f"{method} {path}!".encode(), **limits)

    def _take(self, connection: socket.socket) -> None:
        self.stack.callback(connection.close)
        self.handed.append(connection)

    def comes(self, saying: bytes = b"") -> socket.socket:
        client = self.stack.enter_context(socket.create_connection(self.address))
        client.settimeout(0)
        client.sendall(saying)
        return client

    def serves_until(self, happens: Callable[[], object]) -> None:
        def turned() -> object:
            self.standing.serve(0.01)
            return happens()

        eventually(turned, "the stand-in")


@pytest.fixture
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    with bind("127.0.0.1", 0) as listening:
        desk = Desk(listening, **getattr(request, "param", {}))
        with desk.stack:
            yield desk
            desk.standing.end()


def heard(client: socket.socket) -> bytes | None:
    """All that was said until now; None before anything was."""
    try:
        return client.recv(1000, socket.MSG_PEEK)
    except BlockingIOError:
        return None


@pytest.mark.parametrize("path", ["/ping", "/health"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("query", ["", "?a=b"])
def test_a_ping_is_answered_and_the_connection_closed(desk: Desk, method: str, path: str, query: str) -> None:
    """Without its query; nothing is handed over."""
    client = desk.comes(f"{method} {path}{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    desk.serves_until(lambda: heard(client))
    assert client.recv(1000) == f"{method} {path}!".encode()
    desk.serves_until(lambda: heard(client) == b"")
    assert desk.handed == []


def test_a_ping_in_pieces_is_answered_when_it_is_whole(desk: Desk) -> None:
    """A client that says nothing at first is waited for, and so is one that says half."""
    client = desk.comes()
    desk.standing.serve(0.01)
    for piece in (b"GE", b"T /ping", b" HTTP/1.1\r\n"):
        client.sendall(piece)
        desk.standing.serve(0.01)
    assert heard(client) is None
    client.sendall(b"\r\n")
    desk.serves_until(lambda: heard(client) == b"GET /ping!")


def test_a_body_that_comes_late_does_not_cost_the_answer(desk: Desk) -> None:
    """To close a connection that has something to read is to reset it."""
    client = desk.comes(b"POST /ping HTTP/1.1\r\nContent-Length: 2\r\n\r\n")
    desk.serves_until(lambda: heard(client))
    client.sendall(b"{}")
    client.settimeout(30)
    desk.serves_until(lambda: not desk.standing._answered_at)
    assert client.recv(1000) == b"POST /ping!"
    assert client.recv(1000) == b""


@pytest.mark.parametrize(
    "opening",
    [
        b"POST /invocations HTTP/1.1\r\n",
        b"GET /pingpong HTTP/1.1\r\n",
        b"x",
        b"GET /ping HTTP/1.1\r\nX: " + b"y" * 20_000,
    ],
)
def test_anything_else_is_handed_over_with_every_byte(desk: Desk, opening: bytes) -> None:
    """At once; so is a ping whose head has no end."""
    desk.comes(opening)
    desk.serves_until(lambda: desk.handed)
    (handed,) = desk.handed
    handed.settimeout(30)
    read = b""
    while len(read) < len(opening):
        read += handed.recv(100_000)
    assert read == opening


@pytest.mark.parametrize("desk", [{"head_s": 0.05}], indirect=True)
@pytest.mark.parametrize("opening", [b"", b"GET /pi", b"GET /ping HTTP/1.1\r\n"])
def test_whoever_is_slow_is_left_to_the_loop(desk: Desk, opening: bytes) -> None:
    """After a second: it may be anything yet."""
    desk.comes(opening)
    desk.standing.serve(0.01)
    assert desk.handed == []
    desk.serves_until(lambda: desk.handed)


def test_at_the_end_what_is_left_is_handed_over(desk: Desk) -> None:
    """And what is answered is closed."""
    desk.comes(b"GET /pi")
    answered = desk.comes(b"GET /ping HTTP/1.1\r\n\r\n")
    desk.serves_until(lambda: heard(answered))
    desk.standing.end()
    assert len(desk.handed) == 1
    answered.settimeout(30)
    assert (answered.recv(1000), answered.recv(1000)) == (b"GET /ping!", b"")


def test_a_client_that_leaves_is_forgotten(desk: Desk) -> None:
    """One that closes, and one that resets the connection."""
    closing, resetting = desk.comes(), desk.comes()
    desk.standing.serve(0.01)
    closing.close()
    resetting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    resetting.close()
    desk.serves_until(lambda: not desk.standing._came_at)
    assert desk.handed == []


@pytest.mark.parametrize("desk", [{"most_held": 3}], indirect=True)
def test_no_more_are_held_than_there_is_room_for(desk: Desk) -> None:
    """Those that come then wait in the socket's queue, and nobody spins over them."""
    for _ in range(5):
        desk.comes(b"POST /invocations HTTP/1.1\r\n\r\n")
    desk.serves_until(lambda: len(desk.handed) == 3)
    began = time.monotonic()
    desk.standing.serve(0.1)
    assert time.monotonic() - began > 0.05
    assert len(desk.handed) == 3


def test_a_client_that_resets_while_it_is_answered_is_nobody_s_error(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is for nobody."""
    client = desk.comes(b"GET /ping HTTP/1.1\r\n\r\n")

    def reset(method: str, path: str) -> bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        return b"too late"

    monkeypatch.setattr(desk.standing, "_reply", reset)
    desk.serves_until(lambda: desk.standing._answered_at)
    desk.serves_until(lambda: not desk.standing._answered_at)


def test_where_no_more_files_may_be_open_it_waits(desk: Desk) -> None:
    """It does not spin over those who come, and takes them once there is room."""
    client = desk.comes(b"GET /ping HTTP/1.1\r\n\r\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        began = time.monotonic()
        desk.standing.serve(0.01)
        assert time.monotonic() - began > 0.05
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    desk.serves_until(lambda: heard(client))


@pytest.mark.parametrize("end", [b"", b" ", b" HTTP", b" HTTP/0.9", b" HTTP/2.0", b" HTTP/1.1 ", b"\tHTTP/1.1", b"\0"])
@pytest.mark.parametrize("target", [b"/ping?", b"/ping ?", b"/health?a b c", b"/ping??"])
def test_a_ping_without_a_version_is_left_to_the_loop(desk: Desk, target: bytes, end: bytes) -> None:
    """Which refuses it; the next client is answered."""
    desk.comes(b"GET " + target + end + b"\r\n\r\n")
    desk.serves_until(lambda: desk.handed)
    client = desk.comes(b"GET /ping HTTP/1.1\r\n\r\n")
    desk.serves_until(lambda: heard(client))


@given(
    st.sampled_from(module.openings(module.PATHS)),
    st.lists(st.sampled_from([b" ", b"?", b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"HTTP/1.1", b"/ping", b":"])),
    st.binary(max_size=30),
)
@settings(max_examples=200)
def test_whatever_begins_like_a_ping_is_answered_or_kept(opening: bytes, words: list[bytes], rest: bytes) -> None:
    """No byte of a stranger's ends a turn."""
    asked: list[tuple[str, str]] = []

    def reply(method: str, path: str) -> bytes:
        asked.append((method, path))
        return b"answered"

    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(opening + b"".join(words) + rest + b"\r\n\r\n")
        standing = StandIn(ours, lambda connection: None, reply)
        standing._came_at[ours] = time.monotonic()
        standing._look(ours, time.monotonic())
        assert all(method in module._METHODS and path in module.PATHS for method, path in asked)
