"""Asks `LLM` for what it refuses, and for nothing."""

import os

from handrail import custom_invocation_handler
from vllm import LLM, SamplingParams

llm = LLM(os.environ["MODEL"])
SAMPLING = SamplingParams(max_tokens=4, temperature=0)
ASKED = {
    "nothing": lambda: llm.generate([], SAMPLING),
    "too long": lambda: llm.generate(["Hello", "Hello " * 2000], SAMPLING),
    "lengths": lambda: llm.generate(["Hello", "One"], [SAMPLING]),
    "pooling": lambda: llm.embed(["Hello"]),
    "unknown": lambda: llm.generate("Hello", SAMPLING, nonsense=1),
    "attribute": lambda: llm.nonsense,
    "executor": lambda: llm.llm_engine.model_executor,
    "tokens": lambda: llm.generate({"prompt_token_ids": [5, 6, 7]}, SAMPLING),
    "each its own": lambda: llm.generate(["Hello", "One"], [SAMPLING, SamplingParams(max_tokens=2)]),
    "argument": lambda: LLM(os.environ["MODEL"], nonsense=1),
    "sleep": lambda: llm.sleep(),
}


@custom_invocation_handler
def answer(body: dict):
    try:
        given = ASKED[body["ask"]]()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return [len(output.outputs[0].token_ids) for output in given]
