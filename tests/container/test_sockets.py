"""WebSockets: who is let in, how each ends, and what a stopping server does with those that are open."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.gate.sockets import Sockets
from handrail_container.http.envelope import Failure
from handrail_container.routes.endpoint import SocketEndpoint
from starlette.types import Message, Receive, Scope, Send
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, eventually

SCRIPT = "truss_socket.py"


@pytest.fixture(scope="module")
def served(serving: Launch) -> Served:
    return serving(SCRIPT, HANDRAIL_ACCESS_LOG="errors")


def opened(served: Served, path: str = "/v1/websocket", **headers: str) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{served.port}{path}", additional_headers=headers, proxy=None, open_timeout=30)


def end_of(connection: ClientConnection) -> tuple[int, str]:
    """The code and the reason it is closed with, whatever is said before."""
    with pytest.raises(ConnectionClosed) as closed:
        _read_on(connection)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def _read_on(connection: ClientConnection) -> None:
    while True:
        connection.recv(timeout=30)


def test_messages_go_both_ways(served: Served) -> None:
    """And 1000 once the method returns."""
    with opened(served) as connection:
        for said in ("echo a", "echo " + "b" * 100_000):
            connection.send(said)
            assert connection.recv(timeout=30) == said
        connection.send("done")
        assert end_of(connection) == (1000, "")


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ("close", 4000, "mine"),
        ("choose", 4001, "chosen"),
        ("refuse", 1011, "slow down"),
        ("fail", 1011, "Internal Server Error; the log has it under request_id=mine"),
        ("cancel", 1011, "Internal Server Error; the log has it under request_id=mine"),
    ],
)
def test_a_connection_ends_with_a_code(served: Served, said: str, code: int, reason: str) -> None:
    """The method's own, or 1011 with as much as the client may know."""
    with opened(served, **{"X-Request-Id": "mine"}) as connection:
        connection.send(said)
        assert end_of(connection) == (code, reason)


def test_what_it_raised_is_in_the_log(served: Served) -> None:
    """With the user's traceback, and a line of the access log."""
    with opened(served, **{"X-Request-Id": "failing"}) as connection:
        connection.send("fail")
        end_of(connection)
    served.says("WS /v1/websocket 1011")
    assert "Model.websocket raised ValueError at" in served.stderr
    assert 'raise ValueError("the details")' in served.stderr
    assert "request_id=failing" in served.stderr


@pytest.mark.parametrize("path", ["/v1/websocket", "/sync/v1/websocket"])
def test_it_has_the_id_of_its_request(served: Served, path: str) -> None:
    """The client's, echoed in the handshake."""
    with opened(served, path, **{"X-Request-Id": "theirs"}) as connection:
        assert connection.response is not None
        assert connection.response.headers["X-Request-Id"] == "theirs"
        connection.send("where")
        assert connection.recv(timeout=30) == '["/v1/websocket","theirs"]'


def test_another_path_is_404_before_the_handshake(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(served, "/invocations")
    assert refused.value.response.status_code == 404
    assert b"there is no WebSocket at /invocations" in (refused.value.response.body or b"")
    assert refused.value.response.headers["x-request-id"]


def test_a_client_that_leaves_ends_it(served: Served) -> None:
    """Whether the method reads or writes then: nothing is left in flight, and nothing is an error."""
    before = served.stderr.count("raised")
    for said in ("echo", "flood"):
        with opened(served) as connection:
            connection.send(said)
            connection.recv(timeout=30)
    with opened(served) as connection:
        connection.send("done")
        end_of(connection)
    assert served.stderr.count("raised") == before


@pytest.mark.parametrize("script", ["truss_flat.py", "named_handlers.py", None])
def test_a_script_without_one_is_1003(serving: Launch, script: str | None) -> None:
    """A Model of another kind, handlers, no script at all."""
    with opened(serving(script)) as connection:
        code, reason = end_of(connection)
    assert (code, "no method `websocket`" in reason) == (1003, True)


def test_until_it_is_ready_the_handshake_is_503(launch: Launch) -> None:
    """With what a request is told."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT, HANDRAIL_ECHO_LOAD_S="60")
    served.first_answer()
    with pytest.raises(InvalidStatus) as refused:
        opened(served)
    response = refused.value.response
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert b'"type":"loading"' in (response.body or b"")


@pytest.mark.parametrize("said", ["echo", "hang"])
def test_a_stopping_server_closes_with_1012(launch: Launch, said: str) -> None:
    """Once the time to finish is over, however busy the method is; the exit is clean."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT, HANDRAIL_DRAIN_S="0.2").ready()
    with opened(served) as connection:
        connection.send(said)
        if said == "hang":
            served.says("hanging")
        served.signal()
        assert end_of(connection) == (1012, "service restart")
        assert served.exit_code() == 0
    assert "Traceback" not in served.stderr


def test_a_stopping_server_lets_it_finish(launch: Launch) -> None:
    """While there is time."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT, HANDRAIL_DRAIN_S="60").ready()
    with opened(served) as connection:
        connection.send("echo a")
        assert connection.recv(timeout=30) == "echo a"
        served.signal()
        eventually(lambda: served.http.get("/ping").status_code == 503, "the drain")
        connection.send("echo b")
        assert connection.recv(timeout=30) == "echo b"
        connection.send("done")
        assert end_of(connection) == (1000, "")
    assert served.exit_code() == 0


def test_an_open_one_is_pinged_as_the_config_says(launch: Launch, tmp_path: Path) -> None:
    """A client that does not answer pings is closed."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.py").write_text((SCRIPTS / SCRIPT).read_text())
    (tmp_path / "config.yaml").write_text(
        "runtime:\n  transport:\n    kind: websocket\n    ping_interval_seconds: 0.1\n    ping_timeout_seconds: 0.1\n"
    )
    served = launch(tmp_path).ready()
    head = "GET /v1/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=15) as mute:  # uvicorn's own pings: 20 s
        mute.sendall((head + key).encode())
        answer = b"".join(iter(lambda: mute.recv(65536), b""))
    _, _, frames = answer.partition(b"\r\n\r\n")
    assert (frames[:1], b"\x88" in frames[2:]) == (b"\x89", True)  # a ping, then a close


# The room by itself: what no client can bring about.


def room_in(state: State, app: Any, access_log: str = "all") -> Sockets:
    lifecycle = Lifecycle()
    for step in (State.LOADING, State.WARMING, State.READY, State.DRAINING)[: 3 + (state is State.DRAINING)]:
        lifecycle.move(step, "because")
    room = Sockets(lifecycle, access_log)
    room.endpoints = {"/ws": SocketEndpoint(app, lambda error, request_id: Failure(500, str(error), "handler_error"))}
    return room


async def ask(room: Sockets, send: Callable[[Message], Any] | None = None, path: str = "/ws") -> list[Message]:
    sent: list[Message] = []
    messages: Iterator[Message] = iter([{"type": "websocket.connect"}])

    async def receive() -> Message:
        return next(messages, {"type": "websocket.disconnect"})

    async def keep(message: Message) -> None:
        sent.append(message)
        if send is not None:
            send(message)

    await room({"type": "websocket", "path": path, "headers": []}, receive, keep)
    return sent


async def accepting(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})


async def idle(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts nobody."""


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("early")


@pytest.mark.parametrize(("app", "status"), [(idle, 503), (failing, 500)])
async def test_a_handler_that_does_not_accept_is_an_http_answer(app: Any, status: int) -> None:
    start, body = await ask(room_in(State.READY, app))
    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    assert body["type"] == "websocket.http.response.body"


async def test_a_disconnect_without_a_code_is_1005(caplog: pytest.LogCaptureFixture) -> None:
    """It is what the access log says, where it is to say all; a room may also be told to say nothing."""
    caplog.set_level(logging.INFO, "handrail.access")

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        await accepting(scope, receive, send)
        await receive()
        await receive()
        with pytest.raises(OSError, match="closed"):
            await send({"type": "websocket.send", "text": "too late"})

    for setting in ("all", "errors", "off"):
        await ask(room_in(State.READY, reading, setting))
    assert [message.split(" ")[:3] for message in caplog.messages] == [["WS", "/ws", "1005"]]


async def test_a_path_is_logged_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """As those of other requests are: a client writes no line of the log, and no colours."""
    caplog.set_level(logging.INFO, "handrail.access")
    await ask(room_in(State.READY, accepting, "all"), path="/a\n10:00:00 ERROR it fell\x1b[31m")
    (line,) = caplog.messages
    assert line.startswith(r"WS /a\n10:00:00 ERROR it fell\x1b[31m 404")


async def test_a_client_that_left_unnoticed_is_nobodys_error() -> None:
    """Neither to its handler's end nor to the server's."""
    closed = []

    def gone(message: Message) -> None:
        if message["type"] == "websocket.close":
            closed.append(message["code"])
            raise ConnectionResetError

    room = room_in(State.READY, accepting)
    await ask(room, gone)

    async def stopping(scope: Scope, receive: Receive, send: Send) -> None:
        await accepting(scope, receive, send)
        await room.close_all()

    room.endpoints = {"/ws": SocketEndpoint(stopping, lambda *_: Failure(500, ""))}
    await ask(room, gone)
    assert closed == [1000, 1012]


async def test_a_long_reason_is_cut_between_characters() -> None:
    """A close frame has room for 123 bytes of it."""
    from fastapi import WebSocketException

    async def telling(scope: Scope, receive: Receive, send: Send) -> None:
        await accepting(scope, receive, send)
        raise WebSocketException(4000, "é" * 100)

    *_, close = await ask(room_in(State.READY, telling))
    assert close["reason"] == "é" * 61
