"""Builds vLLM's `LLM` and its asynchronous engine with the same arguments: both are one engine."""

import os

from handrail import custom_invocation_handler
from vllm import LLM, AsyncEngineArgs, AsyncLLMEngine, EngineArgs, LLMEngine

MODEL = os.environ["MODEL"]

llm = LLM(MODEL, max_model_len=256, enable_lora=True)
engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=MODEL, max_model_len=256, enable_lora=True))
stepped = LLMEngine.from_engine_args(EngineArgs(model=MODEL, max_model_len=256, enable_lora=True))


@custom_invocation_handler
def answer(request_body: dict):
    return llm.generate(request_body["prompt"])[0].outputs[0].text
