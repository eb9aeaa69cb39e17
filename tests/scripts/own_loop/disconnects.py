"""An application that asks after a blocking call whether its client is still there."""

import threading

from fastapi import FastAPI, Request
from vllm import LLM

llm = LLM()
asked = threading.Event()
left = []
app = FastAPI()


@app.post("/invocations")
async def invocations(request: Request):
    await request.body()
    llm.generate("a")
    left.append(await request.is_disconnected())
    asked.set()
