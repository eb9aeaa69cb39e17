"""What a body of any shape costs everybody else: the processor time for which this process's loop does not turn."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from handrail_container.routes.openapi import describe

from tests.container.heart import Heart
from tests.container.test_server import running
from tests.servers import SCRIPTS

pytestmark = pytest.mark.slow

#: Of one turn of the loop. It is 0.25 s without what a busy machine and coverage's trace add.
MOST_S = 2.5
SIZE = 1_000_000
JSON = {"Content-Type": "application/json"}
ITEMS = ("{}", "[]", "0", '""', '{"a":0}', "[[]]", '{"role":"user","content":"a"}', '{"role":0}')
WHOLE = (
    '{"messages":[%s]}',
    '{"messages":[{"role":"user","content":[%s]}]}',
    '{"messages":[{"role":"user","content":"a"}],"zzz":[%s]}',
    '{"input":[%s]}',
)
BODIES = [(whole % ",".join([item] * (SIZE // (len(item) + 1)))).encode() for whole in WHOLE for item in ITEMS]


@pytest.mark.parametrize(
    ("script", "path"),
    [
        (None, "/v1/chat/completions"),
        (None, "/v1/responses"),
        (None, "/v1/embeddings"),
        ("asks_the_engine.py", "/invocations"),
        ("pydantic_list.py", "/invocations"),
    ],
)
async def test_no_body_of_a_megabyte_holds_up_the_others(script: str | None, path: str, tmp_path: Path) -> None:
    """By the engine's routes, by a handler that passes it on, and by one whose body FastAPI parses."""
    given = {"CUSTOM_SCRIPT_FILENAME": script} if script else {}
    async with running(
        SCRIPTS if script else tmp_path, HANDRAIL_ENGINE="echo", HANDRAIL_ACCESS_LOG="off", **given
    ) as served:
        await served.answers(200)
        async with Heart().beating() as heart:
            for body in BODIES:
                with suppress(httpx.TransportError):  # refused before all of it had been sent
                    await served.http.post(path, content=body, headers=JSON)
    assert heart.worst_s < MOST_S


async def test_the_description_of_the_routes_is_made_once_and_beside_the_loop() -> None:
    made: list[int] = []

    class Described(FastAPI):
        def openapi(self) -> dict[str, Any]:
            made.append(threading.get_ident())
            return super().openapi()

    app = Described()
    app.add_api_route("/one", lambda: None)
    describe(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        answers = await asyncio.gather(*(http.get("/openapi.json") for _ in range(3)))
        assert (await http.get("/docs")).status_code == 200
    assert len(made) == 1
    assert made[0] != threading.get_ident()
    assert {"/one", "/ping"} <= answers[0].json()["paths"].keys()
    assert answers[0].json() == answers[2].json()
