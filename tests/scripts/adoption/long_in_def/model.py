"""A long answer of `LLM` in a `def`; `ended` says how those that did not finish were ended."""

import os

from handrail import custom_invocation_handler
from vllm import LLM, SamplingParams

llm = LLM(os.environ["MODEL"])
ended = []


@custom_invocation_handler
def answer(body: dict):
    if "prompt" not in body:
        return ended
    try:
        outputs = llm.generate(body["prompt"], SamplingParams(max_tokens=450, temperature=0, ignore_eos=True))
    except BaseException as error:
        ended.append(type(error).__name__)
        raise
    return [len(output.outputs[0].token_ids) for output in outputs]
