"""Builds vLLM's asynchronous engine at the first request, and streams from it."""

import os
import uuid

from fastapi.responses import StreamingResponse
from handrail import custom_invocation_handler
from vllm import AsyncEngineArgs, SamplingParams
from vllm.engine.async_llm_engine import AsyncLLMEngine

engine = None


@custom_invocation_handler
async def answer(request_body: dict):
    global engine
    if engine is None:
        engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=os.environ["MODEL"], max_model_len=256))
    outputs = engine.generate(request_body["prompt"], SamplingParams(max_tokens=8, temperature=0), str(uuid.uuid4()))
    if not request_body.get("stream"):
        async for output in outputs:
            last = output
        return {"text": last.outputs[0].text, "id": last.request_id, "prompt": last.prompt}

    async def pieces():
        sent = 0
        async for output in outputs:
            yield output.outputs[0].text[sent:]
            sent = len(output.outputs[0].text)

    return StreamingResponse(pieces())
