"""A handler blocks the event loop; clients on new connections see what they get."""

from __future__ import annotations

import asyncio
import http.client
import logging
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from handrail_container.gate.admission import Lanes
from handrail_container.gate.gate import Gate
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.server.guard import ListenerHandle, Watchdog
from handrail_container.server.listener import bind
from handrail_container.settings.fields import Settings

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, eventually

SCRIPT = SCRIPTS / "blocks_the_loop.py"


def line_of(comment: str) -> str:
    (number,) = [n for n, line in enumerate(SCRIPT.read_text().splitlines(), 1) if line.endswith(f"# {comment}")]
    return f"{SCRIPT}:{number}"


def blocking(served: Served, pool: ThreadPoolExecutor, by: str, for_s: float) -> Future[httpx.Response]:
    """A request that has begun to block the server's loop: it no longer answers on a connection that it has."""
    answer = pool.submit(
        httpx.post, f"{served.url}/invocations", json={"by": by, "for_s": for_s}, timeout=60, verify=False
    )
    eventually(lambda: not answers_on_its_own(served), "the loop to be blocked")
    return answer


def answers_on_its_own(served: Served) -> bool:
    """Whether the loop itself answers: on a connection that is open, where nobody stands in."""
    try:
        return served.http.get("/", timeout=0.2).status_code == 200
    except httpx.ReadTimeout:
        return False


def asked(served: Served, method: str, path: str, body: bytes = b"") -> tuple[float, http.client.HTTPResponse, bytes]:
    """How long a request on a connection of its own took, and its answer."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.request(method, path, body or None)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    return time.monotonic() - began, answer, said


@pytest.fixture
def served(launch: Launch) -> Served:
    return launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT.name).ready()


@pytest.mark.parametrize("by", ["sleep", "spin"])
def test_ping_is_answered_while_a_handler_blocks_the_loop(served: Served, by: str) -> None:
    """Within a second, as before: status, headers and body; the log has the line that blocks, once, and how long."""
    before = served.http.get("/ping")
    with ThreadPoolExecutor(1) as pool:
        blocked = blocking(served, pool, by, 3)
        for method in ("GET", "POST", "HEAD", "GET"):
            took_s, answer, body = asked(served, method, "/ping")
            assert took_s < 1
            assert (answer.status, body) == (200, b"" if method == "HEAD" else before.content)
            assert answer.getheader("content-type") == before.headers["content-type"]
            assert answer.getheader("content-length") == before.headers["content-length"]
            assert answer.getheader("connection") == "close"
        assert asked(served, "GET", "/health?verbose=1")[2] == b'{"status":"healthy"}'
        served.says("the event loop has been blocked for")
        assert not blocked.done()
        assert blocked.result().status_code == 200
    served.says("the event loop is free again; it was blocked for 3.")
    warnings = [line for line in served.stderr.splitlines() if "has been blocked for" in line]
    assert len(warnings) == 1
    assert f"{line_of(f'the line that {by}s')} (block > {by})" in warnings[0]


def test_what_is_not_ping_waits_for_the_loop_and_loses_nothing(served: Served) -> None:
    """Whole requests, one in pieces, one that begins like a ping, and one whose client leaves."""
    large = b'{"x": "' + b"y" * 300_000 + b'"}'
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    with ThreadPoolExecutor(4) as pool:
        blocked = blocking(served, pool, "sleep", 3)
        whole = [pool.submit(asked, served, "POST", "/invocations", large) for _ in range(2)]
        gone = socket.create_connection(("127.0.0.1", served.port))
        gone.close()
        with socket.create_connection(("127.0.0.1", served.port)) as slow:
            slow.sendall(b"P")
            eventually(lambda: asked(served, "GET", "/ping")[1].status == 200, "somebody to stand in")
            slow.sendall(head[1:] % 8)
            assert not blocked.done()
            assert blocked.result().status_code == 200
            slow.sendall(b'{"x": 1}')
            answer = http.client.HTTPResponse(slow)
            answer.begin()
            assert answer.read() == b'{"length":8}'
        assert [future.result()[2] for future in whole] == [b'{"length":%d}' % len(large)] * 2
    assert asked(served, "GET", "/pingpong")[1].status == 404


def test_a_stall_that_lasts_is_503(launch: Launch) -> None:
    """HANDRAIL_STALL_S; the envelope's type is `stalled`. It is 200 again as soon as the loop is."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT.name, HANDRAIL_STALL_S="1").ready()
    with ThreadPoolExecutor(1) as pool:
        blocked = blocking(served, pool, "sleep", 3)
        eventually(lambda: asked(served, "GET", "/ping")[1].status == 503, "/ping to be 503")
        _, answer, body = asked(served, "GET", "/ping")
        assert not blocked.done()
        blocked.result()
    assert (answer.status, b'"type":"stalled"' in body) == (503, True)
    assert b"HANDRAIL_STALL_S is 1" in body
    assert served.http.get("/ping").status_code == 200


class Watched:
    """A guard in this process, on a loop that the test blocks."""

    def __init__(self, listening: socket.socket, stall_s: float = 60) -> None:
        self.lifecycle = Lifecycle()
        self.gate = Gate(self.lifecycle, Lanes(Settings()), max_body_bytes=1000, access_log="off")
        self.adopted: list[bytes] = []
        self.guard = Watchdog(self.gate, ListenerHandle(listening, self._adopt), stall_s)
        self.port = listening.getsockname()[1]

    async def _adopt(self, connection: socket.socket) -> None:
        with connection:
            self.adopted.append(connection.recv(100))
            raise ConnectionResetError("while it waited")

    def block_until(self, done: Any) -> None:
        """Nothing turns meanwhile."""
        eventually(done, "what the guard does")


@pytest.fixture
def listening() -> Any:
    with bind("127.0.0.1", 0) as listening:
        yield listening


async def turning(watched: Watched) -> None:
    """The loop is free: it beats until the guard has seen it."""
    sweeping = asyncio.create_task(watched.gate.sweep())
    await asyncio.sleep(0.3)
    sweeping.cancel()


def said_on(port: int, what: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(what)
        return b"".join(iter(lambda: client.recv(1000), b""))


async def test_before_it_is_ready_ping_says_what_the_state_is(listening: socket.socket, caplog: Any) -> None:
    """There was no answer yet; and only the user's code is worth a warning."""
    caplog.set_level(logging.WARNING, "handrail")
    watched = Watched(listening)
    watched.lifecycle.move(State.LOADING, "the script is loading")
    watched.guard.start()
    said = said_on(watched.port, b"GET /ping HTTP/1.1\r\n\r\n")  # the loop is here, so it is blocked
    watched.guard.stop()
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b'"type":"loading"' in said
    assert b"the script is loading" in said


async def test_the_guard_keeps_out_while_the_loop_turns(listening: socket.socket) -> None:
    """A client that comes then is the listener's, which in this test does not accept."""
    watched = Watched(listening)
    watched.guard.start()
    with socket.create_connection(("127.0.0.1", watched.port)) as client:
        client.sendall(b"GET /ping HTTP/1.1\r\n\r\n")
        await turning(watched)
        watched.guard.stop()
        accepted, _ = listening.accept()
        accepted.close()


async def test_what_is_left_is_handed_to_the_loop_when_it_is_back(listening: socket.socket) -> None:
    """Half a ping; that its client has gone by then is nobody's error."""
    watched = Watched(listening)
    watched.guard.start()
    with socket.create_connection(("127.0.0.1", watched.port)) as client:
        client.sendall(b"GET /pi")
        said_on(watched.port, b"GET /ping HTTP/1.1\r\n\r\n")
        await turning(watched)
        assert watched.adopted == [b"GET /pi"]
    watched.guard.stop()


def test_a_loop_that_has_closed_takes_nobody(listening: socket.socket) -> None:
    """The client is hung up on."""

    async def started() -> Watched:
        watched = Watched(listening)
        watched.guard.start()
        return watched

    watched = asyncio.run(started())
    with pytest.raises(ConnectionResetError):
        said_on(watched.port, b"POST /invocations HTTP/1.1\r\n\r\n")
    watched.guard.stop()


async def test_what_blocks_is_named_before_it_is_ready_if_it_is_the_user_s(
    listening: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """This test is no library either."""
    watched = Watched(listening)
    watched.guard.start()
    watched.block_until(lambda: "has been blocked for" in caplog.text)
    await turning(watched)
    watched.guard.stop()
    assert "(test_what_blocks_is_named" in caplog.text
    assert "is free again" in caplog.text


async def test_a_library_that_blocks_is_named_once_the_server_is_ready(
    listening: socket.socket, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before that, it is the start that takes long."""
    monkeypatch.setattr("handrail_container.process.blocked_at._FOREIGN", ("/",))
    watched = Watched(listening)
    watched.guard.start()
    time.sleep(1.5)  # it is to be blocked for longer than it takes to warn
    assert caplog.text == ""
    for state in (State.LOADING, State.WARMING, State.READY):
        watched.lifecycle.move(state, "")
    watched.block_until(lambda: "has been blocked for" in caplog.text)
    watched.guard.stop()


async def test_a_check_that_nobody_has_asked_is_left_to_the_loop(listening: socket.socket) -> None:
    """It may say no."""
    watched = Watched(listening)
    for state in (State.LOADING, State.WARMING, State.READY):
        watched.lifecycle.move(state, "")
    watched.guard.start()
    ping = b"GET /ping HTTP/1.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", watched.port)) as client:
        client.sendall(ping)
        time.sleep(0.8)  # it is to be blocked for longer than it takes to stand in
        await turning(watched)
    assert watched.adopted == [ping]
    watched.guard.stop()


async def test_the_platform_s_health_route_is_answered_as_ping(listening: socket.socket) -> None:
    """With GET: a POST there may be anything, and is left to the loop."""
    watched = Watched(listening)
    watched.gate.health_route = "/"
    watched.guard.start()
    with socket.create_connection(("127.0.0.1", watched.port)) as other, ThreadPoolExecutor(1) as pool:
        other.sendall(b"POST / HTTP/1.1\r\n\r\n")
        said = pool.submit(said_on, watched.port, b"GET / HTTP/1.1\r\n\r\n")
        watched.block_until(said.done)
        await turning(watched)
    assert said.result().startswith(b"HTTP/1.1 503 ")
    assert watched.adopted == [b"POST / HTTP/1.1\r\n\r\n"]
    watched.guard.stop()
