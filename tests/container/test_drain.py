"""SIGTERM while much is in flight: what finishes, what is told to end, and what comes too late."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, eventually

SCRIPT = "takes_its_time.py"


def client_of(served: Served) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=served.url, timeout=60, trust_env=False, verify=False, limits=limits)


def in_flight(served: Served) -> float:
    (count,) = re.findall(r"(?m)^handrail_in_flight (\S+)", served.http.get("/metrics").text)
    return float(count)


async def test_what_is_in_flight_finishes(launch: Launch) -> None:
    """50, half of them streams, whole and with Connection: close; new ones are 503; then on_shutdown, and 0."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT).ready()
    async with client_of(served) as client:
        asked = [{"do": "wait", "s": 3, "name": n} for n in range(25)]
        asked += [{"do": "events", "n": 30, "s": 0.1, "name": n} for n in range(25)]
        held = [asyncio.create_task(client.post("/invocations", json=body)) for body in asked]
        while in_flight(served) < 50:
            await asyncio.sleep(0.01)
        served.signal()
        while (ping := await client.get("/ping")).status_code == 200:
            pass
        late = await client.post("/invocations", json={"do": "wait", "s": 0})
        answers = await asyncio.gather(*held)
    assert (ping.json()["error"]["type"], late.json()["error"]["type"]) == ("draining", "draining")
    assert (late.status_code, late.headers["connection"]) == (503, "close")
    assert int(late.headers["retry-after"]) > 0
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.headers["connection"] == "close" for answer in answers[:25])
    assert all(
        answer.text.count("data: ") == 31 and answer.text.endswith("data: [DONE]\n\n") for answer in answers[25:]
    )
    assert served.exit_code() == 0
    words = re.findall(r"(?m)INFO .*: (done \S+|on_shutdown)", served.stderr)
    assert len(words) == 51
    assert words[-1] == "on_shutdown"


async def cut(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    """What came of a stream; `!` at its end where it was cut."""
    read = b""
    try:
        async with client.stream("POST", "/invocations", json=body) as answer:
            async for piece in answer.aiter_raw():
                read += piece
    except httpx.RemoteProtocolError:
        return read.decode() + "!"
    return read.decode()


async def test_what_is_over_the_drain_s_time_ends_with_an_error(launch: Launch) -> None:
    """503 `draining`, an `event: error`, or a cut; also where the handler goes on; the process ends in time."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT, HANDRAIL_DRAIN_S="0.3").ready()
    async with client_of(served) as client:
        unary = [{"do": do, "s": 60} for do in ("wait", "stubborn", "thread")]
        held = [asyncio.create_task(client.post("/invocations", json=body)) for body in unary]
        streams = [{"do": do, "n": 600, "s": 0.1} for do in ("events", "text")]
        read = [asyncio.create_task(cut(client, body)) for body in streams]
        while in_flight(served) < 5:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        served.signal()
        answers, (events, text) = await asyncio.gather(*held), await asyncio.gather(*read)
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert {answer.json()["error"]["type"] for answer in answers} == {"draining"}
    *_, last = events.strip().split("\n\n")
    assert last.startswith("event: error\ndata: ")
    assert json.loads(last.partition("data: ")[2])["error"]["type"] == "draining"
    assert "[DONE]" not in events
    assert re.fullmatch(r"\d+!", text)
    assert served.exit_code() == 0
    assert time.monotonic() - began < 20
    assert "on_shutdown" in served.stderr
    assert "Traceback" not in served.stderr


def test_a_client_that_does_not_read_does_not_hold_up_the_stop(launch: Launch) -> None:
    """Its stream is cut, and the process ends."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT, HANDRAIL_DRAIN_S="0.3").ready()
    with served.http.stream("POST", "/invocations", json={"do": "large", "mb": 50}):
        served.signal()
        assert served.exit_code() == 0
    eventually(lambda: "on_shutdown" in served.stderr, "the hook")


def test_a_client_that_says_nothing_does_not_hold_up_the_stop(launch: Launch, tmp_path: Path) -> None:
    """A connection on which no request has come."""
    served = launch(tmp_path).ready()
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        served.signal()
        assert served.exit_code() == 0
        assert client.recv(100) == b""
