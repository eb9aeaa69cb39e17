"""Calls vLLM's blocking `LLM` in `async def`, as many applications do."""

import asyncio
import os

from fastapi import FastAPI
from vllm import LLM, SamplingParams

app = FastAPI()
llm = LLM(os.environ["MODEL"], max_model_len=256)
lock = asyncio.Lock()
count = 0


@app.post("/invocations")
async def answer(body: dict):
    global count
    async with lock:
        outputs = llm.generate(body["prompt"], SamplingParams(temperature=0, max_tokens=body.get("max_tokens", 8), ignore_eos=True))
        count += 1
    return {"text": outputs[0].outputs[0].text, "count": count}


@app.get("/count")
async def counted():
    return count
