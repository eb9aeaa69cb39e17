"""A long answer of the asynchronous engine; `ended` says how those that did not finish were ended."""

import asyncio
import os
import uuid

from handrail import custom_invocation_handler
from vllm import AsyncEngineArgs, AsyncLLMEngine, SamplingParams

engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=os.environ["MODEL"]))
ended = []


async def complete(prompt):
    sampling = SamplingParams(max_tokens=450, temperature=0, ignore_eos=True)
    async for output in engine.generate(prompt, sampling, str(uuid.uuid4())):
        last = output
    return len(last.outputs[0].token_ids)


@custom_invocation_handler
async def answer(body: dict):
    if "prompt" not in body:
        return ended
    prompts = [body["prompt"]] if isinstance(body["prompt"], str) else body["prompt"]
    try:
        return await asyncio.gather(*map(complete, prompts))
    except BaseException as error:
        ended.append(type(error).__name__)
        raise
