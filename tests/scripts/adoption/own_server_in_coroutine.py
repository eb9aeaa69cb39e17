"""Awaits a server of uvicorn's in a coroutine, beside another one in a thread, and sets a handler of signals."""

import asyncio
import signal
import threading

import uvicorn
from fastapi import FastAPI
from vllm import LLM

app = FastAPI()
metrics = FastAPI()
llm = None


@app.post("/generate")
def generate():
    return llm.model


async def main():
    global llm
    llm = LLM("demo")
    server = uvicorn.Server(uvicorn.Config(app, port=8000))
    signal.signal(signal.SIGTERM, print)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    await task


if __name__ == "__main__":
    asyncio.run(main())
    other = uvicorn.Server(uvicorn.Config(metrics, port=9000, log_level="critical"))
    thread = threading.Thread(target=other.run)
    thread.start()
    thread.join()
