"""Two objects over equal engines use one request id, and one of them aborts it."""

import asyncio
import os

from handrail import custom_invocation_handler
from vllm import AsyncEngineArgs, AsyncLLMEngine, SamplingParams

one = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=os.environ["MODEL"], dtype="float32"))
other = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=os.environ["MODEL"], dtype="float32"))
SAMPLING = SamplingParams(max_tokens=200, temperature=0, ignore_eos=True)


async def complete(engine, started):
    async for output in engine.generate("Hello", SAMPLING, "1"):
        started.set()
        last = output
    return [last.request_id, len(last.outputs[0].token_ids)]


@custom_invocation_handler
async def answer(body: dict):
    started = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
    asked = [complete(engine, event) for engine, event in zip((one, other, other), started, strict=True)]
    tasks = [asyncio.create_task(each) for each in asked]
    for event in started:
        await event.wait()
    await other.abort("1")
    await other.abort("never seen")
    return [await task for task in tasks]
