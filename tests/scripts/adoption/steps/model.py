"""Steps an `LLMEngine` by itself, with one id for all requests."""

import os

from handrail import custom_invocation_handler
from vllm import EngineArgs, LLMEngine, SamplingParams


@custom_invocation_handler
def answer(body: dict):
    engine = LLMEngine.from_engine_args(EngineArgs(model=os.environ["MODEL"], dtype="float32"))
    empty = engine.step()
    for number, prompt in enumerate(body["prompts"]):
        engine.add_request(str(number), prompt, SamplingParams(max_tokens=12, temperature=0))
    texts, steps = {}, 0
    while engine.has_unfinished_requests():
        steps += 1
        for output in engine.step():
            if output.finished:
                texts[output.request_id] = list(output.outputs[0].token_ids)
    return {"empty": empty, "tokens": [texts[str(number)] for number in range(len(body["prompts"]))]}
