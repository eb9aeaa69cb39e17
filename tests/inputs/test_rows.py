"""The rows on the echo engine, in this process; the engine remembers what it was asked."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import Request
from handrail_container.engine import opening
from handrail_container.engine.echo.backend import EchoBackend
from handrail_container.engine.echo.client import Pace
from handrail_container.routes.inputs.parameters import KNOWN, REFUSED

from tests.container.test_server import Running, running
from tests.inputs import report
from tests.inputs.rows import ALL
from tests.inputs.table import ABSENT, ANY, Row

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Remembering(EchoBackend):
    def __init__(self) -> None:
        super().__init__(Pace(), "echo")
        self.bodies: list[dict[str, Any]] = []

    def _endpoint(self, operation: str) -> Any:
        answer = super()._endpoint(operation)

        async def endpoint(body: dict[str, Any], request: Request) -> Any:
            self.bodies.append(body)
            return await answer(body, request)

        return endpoint


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Running, Remembering]]:
    engine, folder = Remembering(), tmp_path_factory.mktemp("inputs")
    async with AsyncExitStack() as stack:
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        patched.setattr(opening, "open_backend", lambda settings, fallback: engine)
        server = await stack.enter_async_context(running(Path(folder), HANDRAIL_INPUTS_DIALECT=request.param))
        await server.answers(200)
        yield server, engine


def _cases() -> list[Any]:
    return [pytest.param(row.dialect, row, id=row.name) for row in sorted(ALL, key=lambda row: row.dialect)]


@pytest.mark.parametrize(("served", "row"), _cases(), indirect=["served"])
async def test_a_row(served: tuple[Running, Remembering], row: Row) -> None:
    server, engine = served
    engine.bodies.clear()
    answer = await server.http.post(row.path, json=row.sent, headers=dict(row.headers))
    assert (answer.status_code, answer.headers["content-type"]) == (row.status, row.media_type), answer.text
    if row.says:
        assert row.says in answer.json()["error"]["message"]
    if row.json is not ANY:
        assert answer.json() == row.json
    if row.events:
        assert _events(answer) == list(row.events)
    for name, value in row.engine.items():
        (body,) = engine.bodies
        assert body.get(name, ABSENT) == value, name


def _events(answer: httpx.Response) -> list[Any]:
    return [json.loads(line.removeprefix("data:")) for line in answer.text.splitlines() if line]


async def test_each_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ALL}) == len(ALL)


async def test_each_difference_has_its_reason() -> None:
    assert [row.name for row in ALL if (row.like == "both") == bool(row.why)] == []


async def test_the_page_has_the_rows() -> None:
    """`python -m tests.inputs.report` writes them."""
    assert report.PAGE.read_text() == report.page()


async def test_the_page_of_parameters_has_every_one() -> None:
    """Those that are taken, and those that are refused."""
    page = (report.PAGE.parents[1] / "how-to" / "inputs.md").read_text()
    assert [name for name in (*KNOWN, *REFUSED) if not re.search(rf"`{name}\b", page)] == []
