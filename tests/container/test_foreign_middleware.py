"""Middlewares written for any ASGI server: their `send` is a coroutine function, and their faults are theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec

import httpx
import pytest

from tests.container.test_server import Running, running
from tests.servers import SCRIPTS

PIECES = "".join(f"piece {number} " for number in range(50))


@asynccontextmanager
async def inside(middleware: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setenv("FOREIGN", middleware)
    script = "foreign_middleware.py"
    async with running(SCRIPTS, HANDRAIL_ENGINE="echo", CUSTOM_SCRIPT_FILENAME=script) as run:
        await run.answers(200)
        yield run


async def asked(run: Running, said: str) -> httpx.Response:
    headers = {"Origin": "https://a.example", "Accept-Encoding": "gzip"}
    return await run.http.post("/invocations", content=said, headers=headers)


PASSING = [
    "Zips",
    "SharesOrigins",
    "TrustsHosts",
    "IsBaseHttp",
    "SendsInATask",
    "SendsInAGroup",
    "SendsWithAllOfAsyncio",
    "SendsLater",
    "WrapsReceive",
    pytest.param("KeepsSessions", marks=pytest.mark.skipif(not find_spec("itsdangerous"), reason="itsdangerous")),
]


@pytest.mark.parametrize("middleware", PASSING)
async def test_an_answer_passes_through_it_whole(middleware: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of one piece, a stream, and one whose handler sends it from tasks; on one connection."""
    async with inside(middleware, monkeypatch) as run:
        whole, stream, late = [await asked(run, said) for said in ("whole", "stream", "late")]
    assert (whole.status_code, whole.json()["said"].lower()) == (200, "whole")
    assert (stream.status_code, stream.text) == (200, PIECES)
    assert (late.status_code, late.text) == (200, "late")
    if middleware == "Zips":
        assert {answer.headers.get("content-encoding") for answer in (whole, stream)} == {"gzip"}
    if middleware == "SharesOrigins":
        assert whole.headers["access-control-allow-origin"] == "https://a.example"
    if middleware == "IsBaseHttp":
        assert stream.headers["x-base"] == "passed"


async def test_one_may_answer_in_place_of_the_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    async with inside("Redirects", monkeypatch) as run:
        assert {(await asked(run, said)).status_code for said in ("whole", "stream")} == {307}


WORDS = {
    "RaisesInSend": "RaisesInSend raised KeyError: b'x-tenant'",
    "SetsABadHeader": "SetsABadHeader raised ValueError: the value of the header x-bad",
    "DropsAll": "DropsAll raised NoAnswer: it returned without an answer",
    "Exits": "Exits raised SystemExit: 7",
}


@pytest.mark.parametrize("middleware", WORDS)
@pytest.mark.parametrize("said", ["whole", "stream", "late"])
async def test_its_fault_is_its_own(
    middleware: str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 in the envelope, and its name in the log: neither the handler's nor Handrail's."""
    async with inside(middleware, monkeypatch) as run:
        answer = await asked(run, said)
        metrics = (await run.http.get("/metrics")).text
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (500, "handler_error")
    assert error["message"].startswith(WORDS[middleware])
    assert "foreign_middleware.py:" in error["message"]
    assert not [line for line in caplog.messages if "a bug in Handrail" in line or line.startswith("answer raised")]
    assert 'handrail_invocations_total{outcome="handler_error"} 1.0' in metrics


@pytest.mark.parametrize("middleware", ["RaisesAtTheEnd", "DropsBodies"])
async def test_a_head_that_was_not_written_is_taken_back(middleware: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 and no body would be a lie."""
    async with inside(middleware, monkeypatch) as run:
        answer = await asked(run, "whole")
    assert (answer.status_code, answer.json()["error"]["message"].split()[0]) == (500, middleware)


@pytest.mark.parametrize("middleware", ["RaisesAtTheEnd", "DropsBodies"])
async def test_a_stream_that_it_ends_is_cut(
    middleware: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client sees that there was more."""
    async with inside(middleware, monkeypatch) as run:
        with pytest.raises(httpx.RemoteProtocolError):
            await asked(run, "stream")
    assert [line for line in caplog.messages if line.startswith(f"{middleware} raised")]
