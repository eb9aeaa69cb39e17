"""Servers in this process, of scripts whose coroutines block."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.container.test_server import Running, running
from tests.servers import SCRIPTS

FOLDER = SCRIPTS / "own_loop"
_STAND_IN = "vllm_stand_in"


def placed(folder: Path, script: str) -> Path:
    """A model directory with the script and what stands for vLLM."""
    shutil.copy(FOLDER / f"{script}.py", folder / "model.py")
    shutil.copy(FOLDER / f"{_STAND_IN}.py", folder)
    return folder


@asynccontextmanager
async def serving(folder: Path, script: str, **given: Any) -> AsyncIterator[Served]:
    kept = sys.modules.pop("vllm", None)
    try:
        async with running(placed(folder, script), HANDRAIL_ENGINE="echo", **given) as served:
            await served.answers(200)
            yield Served(served, sys.modules[_STAND_IN], sys.modules["model"])
            sys.modules[_STAND_IN].MAY_GO.set()
    finally:
        sys.modules.pop("vllm", None)
        if kept is not None:
            sys.modules["vllm"] = kept


class Served:
    """A server, with its script and what blocks that."""

    def __init__(self, running: Running, vllm: Any, script: Any) -> None:
        self.running, self.http, self.server = running, running.http, running.server
        self.vllm, self.script = vllm, script

    def posting(self, path: str = "/invocations", body: str = "a", **given: Any) -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(self.http.post(path, content=body, **given))

    async def is_blocked(self, count: int = 1) -> None:
        """Return once so many calls block."""
        while len(self.vllm.WAITING) < count:
            await asyncio.sleep(0.005)

    @asynccontextmanager
    async def blocked(self, **given: Any) -> AsyncIterator[asyncio.Task[httpx.Response]]:
        """A request blocks the script's loop in here."""
        asking = self.posting(**given)
        await self.is_blocked()
        try:
            yield asking
        finally:
            self.vllm.MAY_GO.set()
