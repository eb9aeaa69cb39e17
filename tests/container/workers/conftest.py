from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from handrail.styles.definition.snippet import Snippet
from handrail_container.program.workers.pool import LOAD_LIMIT_S, WorkerPool

from tests.servers import SCRIPTS

SNIPPETS = SCRIPTS / "snippets"
MakePool = Callable[..., WorkerPool]


def snippet(name: str = "does_as_told", **given: Any) -> Snippet:
    file = SNIPPETS / f"{name}.py"
    facts = {"first_line": 1, "environment": {}, "timeout_s": 60.0, "workers": 1, **given}
    return Snippet(file.read_text(), str(file), folder=SNIPPETS, **facts)


@pytest.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    """A pool that is not started; it is stopped when the test ends."""
    async with AsyncExitStack() as stack:

        def make(
            name: str = "does_as_told",
            queue_limit: int = 1000,
            engine_url: str | None = None,
            load_limit_s: float = LOAD_LIMIT_S,
            **given: Any,
        ) -> WorkerPool:
            pool = WorkerPool(snippet(name, **given), queue_limit, engine_url, load_limit_s)
            stack.push_async_callback(pool.stop)
            return pool

        yield make


def workers_alive() -> int:
    """How many processes of workers this one has, also such as are still being started."""
    return sum(_is_worker(process) for process in psutil.Process().children())


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "handrail_container.program.workers.child" in process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def in_model_yaml(folder: Path) -> Snippet:
    """A snippet that is a part of a larger file, from its fourth line on."""
    source = "def run_inference(body, environment):\n    raise KeyError(body)\n"
    file = folder / "model.yaml"
    file.write_text("key: one\nconfig:\n  run_inference_snippet: |\n" + source.replace("\n", "\n    "))
    return Snippet(source, str(file), 4, folder, {}, 60.0, 1)
