"""What the clients of an application may cost: its routes' patterns, its bodies, its work after the answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from handrail.core.presence import ClientLeft
from handrail.wrap.downstream import StreamCut
from handrail_container.gate.bodies import TooLarge
from handrail_container.http.alone import ours_alone
from starlette.requests import ClientDisconnect
from websockets.exceptions import InvalidStatus

from tests.container.test_app_served import serving, socket_of
from tests.servers import SCRIPTS


async def test_its_routes_are_not_matched_for_a_request_without_a_key() -> None:
    """A pattern with several `:path` parameters takes seconds for a long path."""
    async with serving("tells_what_it_matches.py", HANDRAIL_API_KEY="secret") as served:
        for method, path in (("GET", "/long"), ("POST", "/long"), ("GET", "/matched"), ("POST", "/invocations")):
            assert (await served.http.request(method, path)).status_code == 401
        with pytest.raises(InvalidStatus) as refused:
            await socket_of(served, "/socket")
        assert refused.value.response.status_code == 401
        matched = (await served.http.get("/matched", headers={"Authorization": "Bearer secret"})).json()
        assert not {"/long", "/socket"} & set(matched)
        assert matched.count("/matched") == 2  # by the gate, and by the application itself
        await socket_of(served, "/socket", additional_headers={"Authorization": "Bearer secret"})


def in_flight(metrics: str) -> str:
    (count,) = re.findall(r"(?m)^handrail_in_flight (\S+)", metrics)
    return str(count)


async def test_work_after_the_answer_needs_no_place(caplog: pytest.LogCaptureFixture) -> None:
    """The metric counts it, and the end of the server waits for it."""
    async with serving("works_on.py", HANDRAIL_MAX_CONCURRENCY=1, HANDRAIL_MAX_QUEUE=0) as served:
        http = served.http
        for _ in range(3):
            assert (await http.get("/works")).json() == "working"
        assert (await http.get("/fails")).json() == "failing"
        assert in_flight((await http.get("/metrics")).text) == "4.0"
        assert (await http.get("/go")).json() == "gone"
        while in_flight((await http.get("/metrics")).text) != "0.0":
            await asyncio.sleep(0.01)
    assert "fail raised ValueError at" in caplog.text


async def test_a_stream_has_its_place_until_its_last_piece() -> None:
    async with serving("works_on.py", HANDRAIL_MAX_CONCURRENCY=1, HANDRAIL_MAX_QUEUE=0) as served:
        async with served.http.stream("GET", "/stream") as stream:
            pieces = stream.aiter_text()
            assert await anext(pieces) == "one "
            assert (await served.http.get("/go")).status_code == 503
        while (await served.http.get("/go")).status_code != 200:
            await asyncio.sleep(0.01)


async def pieces() -> AsyncIterator[bytes]:
    """A body without a Content-Length."""
    for _ in range(5):
        yield b"x" * 4096


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(("path", "kind"), [("/bytes", "text/plain"), ("/json", "application/json"), ("/form", FORM)])
async def test_a_body_over_the_limit_is_413_behind_a_middleware_of_starlettes(
    path: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its task groups wrap what reading raises; FastAPI takes the group for a body that it cannot parse."""
    if path == "/form":
        pytest.importorskip("python_multipart")  # FastAPI's own condition for forms
    script = "reads_forms.py" if path == "/form" else "reads_bodies.py"
    async with serving(script, HANDRAIL_MAX_BODY_MB=0.01) as served:
        answer = await served.http.post(path, content=pieces(), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "content_too_large")
    assert answer.headers["Connection"] == "close"
    assert "Traceback" not in caplog.text


async def test_an_applications_own_answer_to_a_body_over_the_limit_stays() -> None:
    async with serving("answers_400_itself.py", HANDRAIL_MAX_BODY_MB=0.01) as served:
        answer = await served.http.post("/json", content=pieces(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()) == (400, {"mine": 413})


async def test_what_an_author_raises_in_a_group_is_the_authors() -> None:
    """Also beside an exception of ours."""
    async with serving("reads_bodies.py", HANDRAIL_MAX_BODY_MB=0.01) as served:
        for path in ("/both", "/one"):
            answer = await served.http.post(path, content=pieces())
            assert (answer.status_code, answer.json()["error"]["type"]) == (500, "handler_error")
            assert "ExceptionGroup" in answer.json()["error"]["message"]


async def test_a_middleware_of_the_scripts_may_read_in_a_group_too() -> None:
    async with serving("middleware_reads_in_a_group.py", SCRIPTS, HANDRAIL_MAX_BODY_MB=0.01) as served:
        answer = await served.http.post("/invocations", content=pieces())
    assert answer.status_code == 413


@pytest.mark.parametrize("ours", [TooLarge(1), ClientDisconnect(), ClientLeft(), StreamCut()])
def test_an_exception_of_ours_that_is_alone_in_its_groups_is_found(ours: Exception) -> None:
    alone = ExceptionGroup("outer", [ExceptionGroup("inner", [ours])])
    both = ExceptionGroup("outer", [ours, ValueError()])
    theirs = ExceptionGroup("outer", [ValueError()])
    assert [ours_alone(error) for error in (ours, alone, both, theirs)] == [ours, ours, both, theirs]
