"""Who may open a WebSocket, what its handler cannot end, and what a stop does with handshakes that went wrong."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, eventually
from tests.socket_listener import KEY, UPGRADE, VERSION, frame

PATH = "/invocations-bidirectional-stream"
SCRIPT = "socket_sins.py"


@pytest.fixture(scope="module")
def served(serving: Launch) -> Served:
    return serving(
        SCRIPT, HANDRAIL_MAX_WEBSOCKETS="3", HANDRAIL_ALLOWED_ORIGINS="https://page.example", HANDRAIL_MAX_BODY_MB="0.5"
    )


def opened(served: Served, **headers: str) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{served.port}{PATH}", additional_headers=headers, proxy=None, open_timeout=30)


def end_of(connection: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as closed:
        connection.recv(timeout=30)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def counted(served: Served, outcome: str) -> float:
    return float(_value(served, f'handrail_websockets_total{{outcome="{outcome}"}}'))


def _value(served: Served, series: str) -> str:
    lines = served.http.get("/metrics").text.splitlines()
    return next(line.rpartition(" ")[2] for line in lines if line.startswith(series))


@pytest.mark.parametrize("sin", ["exit", "interrupt", "generator"])
def test_what_would_end_a_process_ends_its_connection(served: Served, sin: str) -> None:
    """1011, counted as the handler's, with the id in each of its lines; the server lives."""
    before = counted(served, "handler_error")
    with opened(served, **{"X-Request-Id": f"id-of-{sin}"}) as connection:
        connection.send(sin)
        assert end_of(connection)[0] == 1011
    eventually(lambda: counted(served, "handler_error") == before + 1, "the count")
    served.says(f"heard {sin} request_id=id-of-{sin}")
    served.says(f"WS {PATH} 1011")
    assert served.http.get("/ping").status_code == 200


def test_a_handler_that_sends_on_whatever_it_is_told_stops_nobody(launch: Launch) -> None:
    """Its client has left."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT, HANDRAIL_DRAIN_S="0.2").ready()
    with opened(served) as connection:
        connection.send("insist")
        connection.recv(timeout=30)
    for _ in range(5):
        assert served.http.get("/", timeout=5).status_code == 200


def test_a_handler_that_only_sends_leaves_the_loop_to_others(launch: Launch) -> None:
    """Though its client takes all of it as it comes."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT, HANDRAIL_DRAIN_S="0.2").ready()
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(asking(VERSION + KEY))
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
        client.sendall(frame(Opcode.TEXT, b"flood"))
        reading = threading.Thread(target=_read_on, args=(client,))
        reading.start()
        for _ in range(5):
            with opened(served):
                assert served.http.get("/", timeout=15).status_code == 200
        client.shutdown(socket.SHUT_RDWR)
        reading.join()


def _read_on(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while client.recv(1 << 20):
            pass


def test_pages_of_other_origins_are_refused(served: Served) -> None:
    before = counted(served, "client_error")
    for origin in (f"http://127.0.0.1:{served.port}", "https://page.example"):
        with opened(served, Origin=origin) as connection:
            connection.send("0")
            assert end_of(connection)[0] == 1000
    with pytest.raises(InvalidStatus) as refused:
        opened(served, Origin="https://evil.example")
    assert refused.value.response.status_code == 403
    assert b"HANDRAIL_ALLOWED_ORIGINS" in (refused.value.response.body or b"")
    eventually(lambda: counted(served, "client_error") == before + 1, "the count")


def test_so_many_are_open_and_no_more(served: Served) -> None:
    """One more is told when to come again; a place that is left is free."""
    eventually(lambda: _value(served, "handrail_open_websockets") == "0.0", "none to be open")
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(opened(served))
        eventually(lambda: _value(served, "handrail_open_websockets") == "3.0", "three to be open")
        with pytest.raises(InvalidStatus) as refused:
            opened(served)
        response = refused.value.response
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert b"HANDRAIL_MAX_WEBSOCKETS" in (response.body or b"")
        assert counted(served, "rejected") == 1
    eventually(lambda: _value(served, "handrail_open_websockets") == "0.0", "the places to be free")
    with opened(served) as connection:
        connection.send("0")
        assert end_of(connection)[0] == 1000


def test_a_message_is_bounded_as_a_body_is(served: Served) -> None:
    """By the same setting, which the reason names; it is the client's fault, and no error of ours."""
    with opened(served) as connection:
        connection.send("x" * 600_000)
        code, reason = end_of(connection)
    assert (code, "0.5 MB; HANDRAIL_MAX_BODY_MB" in reason) == (1009, True)
    served.says(f"WS {PATH} 1009")
    assert "Traceback" not in served.stderr.rpartition("WS ")[2]


def test_what_clients_do_wrong_is_no_error_of_ours(launch: Launch) -> None:
    """A refused handshake, text that is not UTF-8: a line each, with an id, and no traceback."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT, HANDRAIL_API_KEY="secret").ready()
    with pytest.raises(InvalidStatus):
        opened(served, **{"X-Request-Id": "no-key"})
    with opened(served, Authorization="Bearer secret", **{"X-Request-Id": "bad-text"}) as connection:
        connection.send(b"\xff", text=True)
        assert end_of(connection)[0] == 1007
    served.says("401")
    served.says("1007")
    for line in served.stderr.splitlines():
        assert "ERROR" not in line
        assert "WS " not in line or "request_id=no-key" in line or "request_id=bad-text" in line
    assert "Traceback" not in served.stderr


def asking(more: bytes) -> bytes:
    return f"GET {PATH} HTTP/1.1\r\n".encode() + UPGRADE + more + b"\r\n"


@pytest.fixture
def handshakes(launch: Launch) -> Iterator[Served]:
    """A server, and handshakes of each wrong kind that are open at it, their answers unread."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT, HANDRAIL_DRAIN_S="0.2").ready()
    right = VERSION + KEY
    heads = [right + b"Content-Length: 5\r\n", right + b"Transfer-Encoding: chunked\r\n", KEY, VERSION, right]
    heads += [
        right + b"X: " + b"x" * 9000 + b"\r\n",
        right + b"X: x\r\n" * 150,
        right + b"X: " + b"x" * 70_000 + b"\r\n",
    ]
    with ExitStack() as stack:
        for head in heads:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=30))
            client.sendall(asking(head))
        yield served


def test_handshakes_that_went_wrong_keep_no_stop_from_its_order(handshakes: Served) -> None:
    """The exit is 0 and the hook has run."""
    handshakes.signal()
    assert handshakes.exit_code() == 0
    assert "the hook ran" in handshakes.stdout
    assert "Traceback" not in handshakes.stderr
