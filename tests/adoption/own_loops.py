"""Servers in this process, of scripts whose coroutines block."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx

from tests.container.test_server import Running, running
from tests.servers import PATIENCE_S, SCRIPTS

FOLDER = SCRIPTS / "own_loop"


def placed(folder: Path, script: str) -> Path:
    """A model directory with the script."""
    shutil.copy(FOLDER / f"{script}.py", folder / "model.py")
    return folder


@contextmanager
def stand_in() -> Iterator[ModuleType]:
    """What the script imports as `vllm` in here."""
    kept = sys.modules.get("vllm")
    spec = importlib.util.spec_from_file_location("vllm", FOLDER / "vllm_stand_in.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules["vllm"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        yield module
    finally:
        module.MAY_GO.set()
        del sys.modules["vllm"]
        sys.modules.update({} if kept is None else {"vllm": kept})


@asynccontextmanager
async def serving(folder: Path, script: str, **given: Any) -> AsyncIterator[Served]:
    with stand_in() as vllm:
        async with running(placed(folder, script), HANDRAIL_ENGINE="echo", **given) as served:
            await served.answers(200)
            yield Served(served, vllm, sys.modules["model"])
            vllm.MAY_GO.set()


class Served:
    """A server, with its script and what blocks that."""

    def __init__(self, running: Running, vllm: Any, script: Any) -> None:
        self.running, self.http, self.server = running, running.http, running.server
        self.vllm, self.script = vllm, script

    def posting(self, path: str = "/invocations", body: str = "a", **given: Any) -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(self.http.post(path, **({"content": body} if "json" not in given else {}), **given))

    async def is_blocked(self, count: int = 1) -> None:
        """Return once so many calls block."""
        async with asyncio.timeout(PATIENCE_S):
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
