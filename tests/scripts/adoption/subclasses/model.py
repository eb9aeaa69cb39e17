"""Derives from vLLM's classes, and looks whether they are what it thinks."""

import os
import uuid

import vllm
from handrail import custom_invocation_handler
from vllm.v1.engine.async_llm import AsyncLLM


class Llm(vllm.LLM):
    def __init__(self, name):
        super().__init__(model=name, dtype="float32")
        self.name = name

    def first(self, prompt):
        return list(self.generate([prompt], SAMPLING)[0].outputs[0].token_ids)


class Engine(vllm.AsyncLLMEngine):
    async def first(self, prompt):
        async for output in self.generate(prompt, SAMPLING, str(uuid.uuid4())):
            last = output
        return list(last.outputs[0].token_ids)


SAMPLING = vllm.SamplingParams(max_tokens=12, temperature=0)
llm = Llm(os.environ["MODEL"])
engine = Engine.from_engine_args(vllm.AsyncEngineArgs(model=os.environ["MODEL"], dtype="float32"))


def blocking(prompt):
    return llm.first(prompt)


@custom_invocation_handler
async def answer(body: dict):
    import asyncio

    return {
        "tokens": [await asyncio.to_thread(blocking, body["prompt"]), await engine.first(body["prompt"])],
        "types": [type(llm) is Llm, isinstance(llm, vllm.LLM), isinstance(engine, Engine), isinstance(engine, AsyncLLM)],
        "name": llm.name == os.environ["MODEL"],
    }
