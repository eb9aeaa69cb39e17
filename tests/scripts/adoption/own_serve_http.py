"""Serves an application of its own by vLLM's `serve_http`."""

import asyncio

from fastapi import FastAPI
from vllm import LLM
from vllm.entrypoints.launcher import serve_http

app = FastAPI()


@app.post("/generate")
def generate():
    return app.state.llm.model


async def main():
    app.state.llm = LLM("demo")
    ended = await serve_http(app, sock=None, host="0.0.0.0")
    await ended


if __name__ == "__main__":
    asyncio.run(main())
