"""An application whose engine is built by the main guard, as its command line says. It names itself by text."""

import argparse

import uvicorn
from fastapi import FastAPI
from vllm import AsyncEngineArgs, AsyncLLMEngine

app = FastAPI()
engine = None
seen = []


@app.post("/generate")
async def generate():
    return {"model": engine.model}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=args.model))
    uvicorn.run("main:app", host="0.0.0.0", port=args.port)
    seen.append("after")
