"""A long stream of the asynchronous engine from a FastAPI route; `ended` says how those that did not finish ended."""

import os
import uuid

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from vllm import AsyncEngineArgs, AsyncLLMEngine, SamplingParams

app = FastAPI()
engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=os.environ["MODEL"]))
ended = []


@app.post("/invocations")
async def generate(body: dict):
    if "prompt" not in body:
        return ended
    sampling = SamplingParams(max_tokens=450, temperature=0, ignore_eos=True)
    outputs = engine.generate(body["prompt"], sampling, str(uuid.uuid4()))

    async def pieces():
        try:
            async for output in outputs:
                yield f"{len(output.outputs[0].token_ids)}\n"
        except BaseException as error:
            ended.append(type(error).__name__)
            raise

    return StreamingResponse(pieces())
