"""Asks for the tokenizer and the model's configuration in a lifespan, in old ways and new ones."""

import json
import os
from contextlib import asynccontextmanager

from fastapi import FastAPI
from vllm import AsyncEngineArgs, AsyncLLMEngine

known = {}


@asynccontextmanager
async def lifespan(app):
    engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(**json.loads(os.environ["ARGUMENTS"])))
    known["tokens"] = engine.get_tokenizer().encode("Hello")
    known["length"] = engine.model_config.max_model_len
    known["awaited tokens"] = (await engine.get_tokenizer()).encode("Hello")
    known["awaited length"] = (await engine.get_model_config()).max_model_len
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/invocations")
def tell():
    return known
