"""Builds its engine in the lifespan, from the command line that only the main guard reads."""

import argparse
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from vllm import LLM


@asynccontextmanager
async def lifespan(app):
    app.state.llm = LLM(args.model)
    yield


app = FastAPI(lifespan=lifespan)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="demo", choices=["demo", "other"])
    args = parser.parse_args()
    uvicorn.run(app)
