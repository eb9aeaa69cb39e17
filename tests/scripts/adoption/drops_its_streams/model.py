"""Leaves streams of the engine before their end, on the server's event loop and on one of its own."""

import asyncio
import os
import uuid

from handrail import custom_invocation_handler
from vllm import AsyncEngineArgs, AsyncLLMEngine, SamplingParams

engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=os.environ["MODEL"]))
SAMPLING = SamplingParams(max_tokens=450, temperature=0, ignore_eos=True)


def outputs():
    return engine.generate("Hello", SAMPLING, str(uuid.uuid4()))


async def leave():
    async for output in outputs():
        return len(output.outputs[0].token_ids)


async def take_one():
    return len((await outputs().__anext__()).outputs[0].token_ids)


async def cancel():
    task = asyncio.create_task(leave_late())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait({task})
    return task.cancelled()


async def leave_late():
    async for _ in outputs():
        pass


async def time_out():
    try:
        await asyncio.wait_for(leave_late(), 0.05)
    except TimeoutError:
        return True


WAYS = {"leave": leave, "take one": take_one, "cancel": cancel, "time out": time_out}


@custom_invocation_handler
async def answer(body: dict):
    if body["by"] == "own loop":
        return await asyncio.to_thread(lambda: asyncio.run(WAYS[body["way"]]()))
    return await WAYS[body["way"]]()
