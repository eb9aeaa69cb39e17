"""A handler that takes as long as the body says, in the way it says, and what stands around it where asked for.

`/ping` says which requests the engine has, and how much memory the process.
"""

import asyncio
import contextlib
import logging
import os
import time

import anyio.from_thread
import httpx
import psutil
from fastapi.concurrency import run_in_threadpool
from handrail import Engine, custom_invocation_handler, custom_ping_handler, on_shutdown

logger = logging.getLogger(__name__)


async def wait(told, request, engine):
    await asyncio.sleep(told["s"])
    logger.info("done %s", told.get("name"))
    return {"waited": told["s"]}


async def events(told, request, engine):
    for n in range(told["n"]):
        yield {"n": n}
        await asyncio.sleep(told["s"])
    logger.info("done %s", told.get("name"))


async def text(told, request, engine):
    for n in range(told["n"]):
        yield str(n)
        await asyncio.sleep(told["s"])


async def stubborn(told, request, engine):
    end = time.monotonic() + told["s"]
    while time.monotonic() < end:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)
    return {"heard": "nothing"}


async def thread(told, request, engine):
    await run_in_threadpool(time.sleep, told["s"])


async def large(told, request, engine):
    for _ in range(told["mb"]):
        yield b"x" * 1_000_000


async def ask(told, request, engine):
    return await engine.chat_completions(request=request, model_input=told)


async def ask_from_thread(told, request, engine):
    return await run_in_threadpool(anyio.from_thread.run, engine.chat_completions, request, told)


async def ask_v1(told, request, engine):
    async with httpx.AsyncClient(base_url=str(request.base_url), verify=False, trust_env=False) as client:
        return (await client.post("/v1/completions", json={"prompt": "from inside"}, timeout=30)).json()


@custom_invocation_handler
async def timed(request, engine: Engine):
    told = await request.json()
    made = globals()[told["do"]](told, request, engine)
    return await made if asyncio.iscoroutine(made) else made


@custom_ping_handler
async def state(request):
    rss = psutil.Process(os.getpid()).memory_info().rss
    return {"running": sorted(request.app.state.engine_client.running), "rss_mb": rss / 1e6}


@on_shutdown
def close():
    logger.info("on_shutdown")


async def throttle(request, call_next):
    return await call_next(request)


def before(request):
    return None


def after(response):
    return None
