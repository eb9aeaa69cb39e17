"""Builds two engines that differ."""

import os

from handrail import custom_invocation_handler
from vllm import LLM

first = LLM(os.environ["MODEL"], dtype="float32")
second = LLM(os.environ.get("OTHER") or os.environ["MODEL"], dtype="float32", max_logprobs=5)


@custom_invocation_handler
def answer(body: dict):
    return first.generate("Hello"), second.generate("Hello")
