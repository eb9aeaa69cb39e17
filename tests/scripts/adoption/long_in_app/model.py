"""A long answer of `LLM` in a `def` route; `ended` says how those that did not finish were ended."""

import os

from fastapi import FastAPI
from vllm import LLM, SamplingParams

app = FastAPI()
llm = LLM(model=os.environ["MODEL"])
ended = []


@app.post("/invocations")
def generate(body: dict):
    if "prompt" not in body:
        return ended
    try:
        outputs = llm.generate(body["prompt"], SamplingParams(max_tokens=450, temperature=0, ignore_eos=True))
    except BaseException as error:
        ended.append(type(error).__name__)
        raise
    return [len(output.outputs[0].token_ids) for output in outputs]
