"""A style for Handrail: scripts that hand their `handler(job)` to `runpod.serverless.start`."""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator, Callable
from inspect import isasyncgen, isawaitable, isgenerator
from types import ModuleType
from typing import Any

from handrail import ModelDirectory, Offer, Problem, Slot, Style, WholeModel
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request

FILES = ("handler.py", "rp_handler.py", "src/handler.py", "src/rp_handler.py")


class JobFailed(Exception):
    """The handler answered with an `error`."""


class Jobs(WholeModel):
    title = "RunPod"

    def __init__(self, handler: Callable[[dict[str, Any]], Any]) -> None:
        self._handler = handler
        self.handlers = {Slot.INVOCATION: self.answer}
        self.routes = {"/runsync": self.runsync}

    async def answer(self, request: Request) -> Any:
        """The output alone, streamed where the handler is a generator."""
        output = await self._output(await request.json())
        return _pieces(output) if isasyncgen(output) or isgenerator(output) else _checked(output)

    async def runsync(self, request: Request) -> dict[str, Any]:
        """As RunPod's own server answers: the job with its output, all at once."""
        output = await self._output(await request.json())
        whole = [one async for one in _pieces(output)] if isasyncgen(output) or isgenerator(output) else output
        return {"id": f"sync-{uuid.uuid4()}", "status": "COMPLETED", "output": _checked(whole)}

    async def _output(self, body: dict[str, Any]) -> Any:
        job = {"id": str(uuid.uuid4()), "input": body.get("input", body)}
        output = await run_in_threadpool(self._handler, job)  # an `async def` only makes its coroutine there
        return await output if isawaitable(output) else output

    def explain(self, error: BaseException) -> Problem | None:
        return Problem(500, str(error), "job_failed") if isinstance(error, JobFailed) else None


async def _pieces(output: Any) -> AsyncIterator[Any]:
    async for piece in output if isasyncgen(output) else iterate_in_threadpool(output):
        yield _checked(piece)


def _checked(output: Any) -> Any:
    if isinstance(output, dict) and "error" in output:
        raise JobFailed(str(output["error"]))
    return output


class RunPod(Style):
    starts_servers = True  # `serverless.start` serves, but for the stand-in

    def prepare(self, directory: ModelDirectory) -> str | None:
        """Stand in for `runpod`: `start` notes what it is given, and returns."""
        script = next((name for name in FILES if (directory.path / name).is_file()), None)
        if script is None or "runpod" not in (directory.path / script).read_text():
            return None
        runpod, serverless = ModuleType("runpod"), ModuleType("runpod.serverless")
        self.started: list[dict[str, Any]] = []
        vars(runpod)["serverless"], vars(serverless)["start"] = serverless, self.started.append
        sys.modules |= {"runpod": runpod, "runpod.serverless": serverless}
        return script

    def find(self, directory: ModelDirectory) -> Offer | None:
        started, script = getattr(self, "started", []), directory.script.path
        if not started:
            return None
        return Offer(f"runpod.serverless.start in {script}", Jobs(started[-1]["handler"]), script=script)
