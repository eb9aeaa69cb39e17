"""Uses the asynchronous engine from event loops of its own: of `asyncio.run` for each request, and of a thread."""

import asyncio
import os
import threading
import uuid

from handrail import custom_invocation_handler, on_shutdown
from vllm import AsyncEngineArgs, AsyncLLMEngine, SamplingParams

engine = AsyncLLMEngine.from_engine_args(
    AsyncEngineArgs(model=os.environ["MODEL"], dtype="float32", max_model_len=256)
)
loop = asyncio.new_event_loop()
thread = threading.Thread(target=loop.run_forever, daemon=True)
thread.start()


async def complete(prompt):
    async for output in engine.generate(prompt, SamplingParams(max_tokens=12, temperature=0), str(uuid.uuid4())):
        last = output
    return list(last.outputs[0].token_ids)


async def complete_all(prompts):
    await engine.check_health()
    return await asyncio.gather(*map(complete, prompts))


@custom_invocation_handler
def answer(body: dict):
    if body["by"] == "run":
        return asyncio.run(complete_all(body["prompts"]))
    return asyncio.run_coroutine_threadsafe(complete_all(body["prompts"]), loop).result()


@on_shutdown
def end():
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
