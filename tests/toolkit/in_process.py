"""Serves a row in this process: the program, the gate and the echo engine, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from handrail_container.engine.opening import open_backend
from handrail_container.gate.gate import Gate
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.program.load import load_program
from handrail_container.routes.application import create_app
from handrail_container.server.composition import create_gate
from handrail_container.server.serving import Serving, StartRefused
from handrail_container.settings.fields import Settings

from tests.interpreter import user_programs_forgotten
from tests.toolkit.table import Answer, Row


async def ask(row: Row, folder: Path) -> Answer:
    """What Handrail answers to the row's request, or why it does not start."""
    for name, text in row.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    try:
        async with serving(folder, **row.environment) as client:
            got = await client.post("/invocations", content=row.body, headers=dict(row.headers))
    except StartRefused as refusal:
        return Answer(None, text=" ".join(map(str, refusal.faults)))
    kind = got.headers.get("content-type")
    return Answer(got.status_code, content_type=kind, headers=dict(got.headers), body=got.content)


@asynccontextmanager
async def serving(folder: Path, **given: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a ready server, whose settings are `given` by their variables. Raises StartRefused."""
    with user_programs_forgotten(folder):
        settings = Settings(**{"SAGEMAKER_MODEL_PATH": folder, "HANDRAIL_ENGINE": "echo", **given})
        async with _serving(settings) as gate, _client(gate) as client:
            client.headers.pop("accept")
            yield client


def _client(gate: Gate) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://gate")


@asynccontextmanager
async def _serving(settings: Settings) -> AsyncIterator[Gate]:
    backend, lifecycle = open_backend(settings, None), Lifecycle()
    gate, app = create_gate(settings, lifecycle), create_app(backend)
    await backend.start(app)
    program = load_program(settings)
    if program.faults:
        raise StartRefused(*program.faults)
    serving = Serving(settings, gate, backend, app, "")
    await serving.begin(program)
    for state in (State.LOADING, State.WARMING, State.READY):
        lifecycle.move(state, str(state))
    try:
        yield gate
    finally:
        await serving.end()
