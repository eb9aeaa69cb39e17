"""Builds vLLM's serving classes over its own engine, as scripts for vLLM 0.6 do."""

import os
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.engine.async_llm_engine import AsyncLLMEngine
from vllm.entrypoints.openai.protocol import ChatCompletionRequest, CompletionRequest, ErrorResponse
from vllm.entrypoints.openai.serving_chat import OpenAIServingChat
from vllm.entrypoints.openai.serving_completion import OpenAIServingCompletion
from vllm.entrypoints.openai.serving_engine import BaseModelPath

MODEL = os.environ["MODEL"]


@asynccontextmanager
async def lifespan(app):
    engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=MODEL, max_model_len=256, disable_log_requests=True))
    config = await engine.get_model_config()
    paths = [BaseModelPath(name="mine", model_path=MODEL)]
    app.state.chat = OpenAIServingChat(
        engine,
        config,
        paths,
        "assistant",
        lora_modules=None,
        prompt_adapters=None,
        request_logger=None,
        chat_template=None,
    )
    app.state.completion = OpenAIServingCompletion(
        engine, config, paths, lora_modules=None, prompt_adapters=None, request_logger=None
    )
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/chat")
async def chat(body: ChatCompletionRequest, request: Request):
    answer = await app.state.chat.create_chat_completion(body, request)
    if isinstance(answer, ErrorResponse):
        return JSONResponse({"message": answer.message}, status_code=answer.code)
    if body.stream:
        return StreamingResponse(answer, media_type="text/event-stream")
    return JSONResponse(answer.model_dump())


@app.post("/completion")
async def completion(body: CompletionRequest, request: Request):
    answer = await app.state.completion.create_completion(body, request)
    return JSONResponse(answer.model_dump())
