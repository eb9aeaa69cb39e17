"""Catches what its engine's construction raises, and would serve without it."""

import os

from handrail import custom_invocation_handler
from vllm import LLM

try:
    llm = LLM(**{"model": os.environ["MODEL"], "device": "tpu"})
except Exception:
    llm = None


@custom_invocation_handler
def answer(body: dict):
    return "a mock"
