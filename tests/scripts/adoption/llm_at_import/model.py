"""Builds vLLM's `LLM` when it is imported, and asks it in a `def`."""

import os

from handrail import custom_invocation_handler
from vllm import LLM, SamplingParams

llm = LLM(os.environ["MODEL"], max_model_len=256, gpu_memory_utilization=0.9)


@custom_invocation_handler
def answer(request_body: dict) -> list[str]:
    outputs = llm.generate(request_body["prompts"], SamplingParams(max_tokens=8, temperature=0))
    return [output.outputs[0].text for output in outputs]
