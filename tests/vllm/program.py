"""An engine in a process of its own, for what would end the test's: program.py SCENARIO MODEL [SM_VLLM_X=value ...]"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress

import psutil
from fastapi import FastAPI, HTTPException
from handrail_container.engine.vllm import VllmBackend
from handrail_container.process.exits import EngineDeadError, StartError


def say(*words: object) -> None:
    print("SAID", *words, flush=True)


def processes() -> list[psutil.Process]:
    """Those of the engine: what multiprocessing spawned, and vLLM has renamed once it runs."""
    return [child for child in psutil.Process().children(recursive=True) if is_of_the_engine(child)]


def is_of_the_engine(child: psutil.Process) -> bool:
    try:
        line = " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # vLLM asks short-lived programs about the machine
        return False
    return "spawn_main" in line or "VLLM" in line


async def started(backend: VllmBackend) -> FastAPI:
    app = FastAPI()
    await asyncio.to_thread(backend.anticipate)
    await start_prepared(backend, app)
    return app


async def start_prepared(backend: VllmBackend, app: FastAPI) -> None:
    await asyncio.to_thread(backend.prepare)
    await backend.start(app)
    await backend.warm_up()


async def fail(backend: VllmBackend) -> None:
    try:
        await started(backend)
    except StartError as error:
        say(error.exit_code.value, error)
    await backend.stop()


async def die(backend: VllmBackend) -> None:
    await started(backend)
    await backend.check_health()
    asked = asyncio.create_task(
        backend.facade.completions(model_input={"prompt": "a", "max_tokens": 400, "ignore_eos": True})
    )
    await asyncio.sleep(0.1)
    os.kill(processes()[0].pid, signal.SIGKILL)
    await asyncio.sleep(0.5)
    try:
        await backend.check_health()
    except EngineDeadError as error:
        say("dead:", error)
    try:
        await asked
    except HTTPException as error:
        say("asked:", error.status_code)
    await asyncio.gather(backend.stop(), backend.stop())
    await backend.stop()
    say("left:", len(processes()))


async def orphan(backend: VllmBackend) -> None:
    await started(backend)
    say(*(process.pid for process in processes()))
    await asyncio.sleep(600)


async def use_spare(backend: VllmBackend) -> None:
    """What was started early is the engine's process, and the only one."""
    await asyncio.to_thread(backend.anticipate)
    early = [process.pid for process in processes()]
    await start_prepared(backend, FastAPI())
    say("same:", early == [process.pid for process in processes()])
    say("called:", *(process.cmdline()[0] for process in processes()))
    await backend.stop()
    say("left:", len(processes()))


async def change_variable(backend: VllmBackend) -> None:
    """One that a library reads as it is loaded, when it has been already."""
    await asyncio.to_thread(backend.anticipate)
    early = [process.pid for process in processes()]
    os.environ["MKL_NUM_THREADS"] = "1"
    await start_prepared(backend, FastAPI())
    say("same:", early == [process.pid for process in processes()])
    say("processes:", len(processes()))
    await backend.stop()


async def kill_spare(backend: VllmBackend) -> None:
    await asyncio.to_thread(backend.anticipate)
    os.kill(processes()[0].pid, signal.SIGKILL)
    await start_prepared(backend, FastAPI())
    say("processes:", len(processes()))
    await backend.stop()


async def orphan_early(backend: VllmBackend) -> None:
    backend.anticipate()
    await asyncio.sleep(1)
    say(*(process.pid for process in processes()))
    await asyncio.sleep(600)


async def stop_before_engine(backend: VllmBackend) -> None:
    backend.anticipate()
    await backend.stop()
    backend.anticipate()
    say("left:", len(processes()))


async def stop_early(backend: VllmBackend) -> None:
    await asyncio.to_thread(backend.anticipate)
    await asyncio.to_thread(backend.prepare)
    starting = asyncio.create_task(backend.start(FastAPI()))
    await asyncio.sleep(1)
    started_to_stop = asyncio.get_running_loop().time()
    await backend.stop()
    with suppress(StartError):
        await starting
    say("seconds:", round(asyncio.get_running_loop().time() - started_to_stop, 1))
    say("left:", len(processes()))


async def pool(backend: VllmBackend) -> None:
    app = await started(backend)
    say(dict(backend.routes_by_payload))
    say(any(getattr(route, "path", "") == "/v1/chat/completions" for route in app.routes))
    await backend.stop()


if __name__ == "__main__":
    _, scenario, model, *flags = sys.argv
    asyncio.run(globals()[scenario](VllmBackend(model, dict(flag.split("=", 1) for flag in flags))))
    os._exit(0)  # as the server does: vLLM's objects complain when the interpreter takes them apart
