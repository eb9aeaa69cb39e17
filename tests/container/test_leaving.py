"""Clients that leave, at every moment: the engine's request ends within a second, whoever stands in between."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import httpx
import pytest

from tests.conftest import Launch
from tests.servers import Served, eventually

SCRIPT = "takes_its_time.py"
SLOW = {"HANDRAIL_ECHO_ITL_MS": "60000"}
AROUND = {
    "CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE": "model:throttle",
    "CUSTOM_PRE_PROCESS": "model:before",
    "CUSTOM_POST_PROCESS": "model:after",
}
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "two words"}]}


def running(served: Served) -> list[str]:
    ids: list[str] = served.http.get("/ping").json()["running"]
    return ids


def metric(served: Served, name: str) -> float:
    (line,) = [line for line in served.http.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


CANCELLED = 'handrail_invocations_total{outcome="cancelled"}'


def leaves(served: Served, path: str, body: dict[str, Any], reads: bytes = b"") -> None:
    """A client that asks, waits until the engine works for it (and until it has read that), and closes."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(head.encode() + data)
        eventually(lambda: running(served), "the engine to work")
        read = b""
        while reads not in read:
            read += client.recv(65536)


def stops_within_a_second(served: Served) -> None:
    left = time.monotonic()
    eventually(lambda: not running(served), "the engine to stop")
    assert time.monotonic() - left < 3  # one on an idle machine


@pytest.mark.parametrize("around", [{}, AROUND], ids=["alone", "surrounded"])
@pytest.mark.parametrize("do", ["ask", "ask_from_thread"])
@pytest.mark.parametrize(("stream", "reads"), [(False, b""), (True, b"two")], ids=["unary", "stream"])
def test_a_client_of_a_handler_leaves(
    serving: Launch, around: dict[str, str], do: str, stream: bool, reads: bytes
) -> None:
    """Mid-answer and mid-stream; counted as cancelled."""
    served = serving(SCRIPT, **SLOW, **around)
    before = metric(served, CANCELLED)
    leaves(served, "/invocations", {"do": do, "stream": stream, **CHAT}, reads)
    stops_within_a_second(served)
    eventually(lambda: metric(served, CANCELLED) == before + 1, "it to be counted")
    eventually(lambda: metric(served, "handrail_in_flight") == 0, "its place to be free")


@pytest.mark.parametrize("script", ["truss_asks_engine.py", SCRIPT])
@pytest.mark.parametrize(("stream", "reads"), [(False, b""), (True, b"two")], ids=["unary", "stream"])
def test_a_client_of_a_model_or_of_the_engine_s_own_route_leaves(
    serving: Launch, script: str, stream: bool, reads: bytes
) -> None:
    """A Truss's predict, and /v1."""
    served = serving(script, **SLOW)
    path = "/invocations" if script.startswith("truss") else "/v1/chat/completions"
    leaves(served, path, {"stream": stream, **CHAT}, reads)
    stops_within_a_second(served)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_leaves_before_the_first_token(serving: Launch, stream: bool) -> None:
    """Nothing was said yet."""
    served = serving(SCRIPT, HANDRAIL_ECHO_TTFT_MS="3000")
    leaves(served, "/invocations", {"do": "ask", "stream": stream, **CHAT})
    left = time.monotonic()
    stops_within_a_second(served)
    assert time.monotonic() - left < 3


def test_a_client_that_closes_its_half_has_left(serving: Launch) -> None:
    """What it sends says no more than that it is gone, and an engine that works for nobody costs more."""
    served = serving(SCRIPT, **SLOW)
    data = json.dumps({"do": "ask", **CHAT}).encode()
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        eventually(lambda: running(served), "the engine to work")
        client.shutdown(socket.SHUT_WR)
        stops_within_a_second(served)
        assert client.recv(65536) == b""


def test_a_client_that_does_not_read_costs_no_memory(serving: Launch) -> None:
    """A stream of 50 MB stops where the client does, and goes on when it reads again."""
    served = serving(SCRIPT)
    before = served.http.get("/ping").json()["rss_mb"]
    with served.http.stream("POST", "/invocations", json={"do": "large", "mb": 50}) as answer:
        time.sleep(0.5)
        with httpx.Client(base_url=served.url, verify=False, trust_env=False) as other:
            grown = other.get("/ping").json()["rss_mb"] - before
        assert grown < 25
        assert sum(map(len, answer.iter_raw())) == 50_000_000


def test_a_handler_may_go_on_when_its_client_has_left(serving: Launch) -> None:
    """HANDRAIL_CANCEL_ON_DISCONNECT=false: what the engine does for it ends all the same."""
    served = serving(SCRIPT, HANDRAIL_CANCEL_ON_DISCONNECT="false", **SLOW)
    leaves(served, "/invocations", {"do": "ask", **CHAT})
    stops_within_a_second(served)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{served.url}/invocations", json={"do": "wait", "s": 1, "name": "alone"}, timeout=0.3, verify=False)
    served.says("done alone")
