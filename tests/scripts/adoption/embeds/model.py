"""Builds an embedding `LLM` as scripts for vLLM 0.8 do, with `task`."""

import os

from handrail import custom_invocation_handler
from vllm import LLM

llm = LLM(model=os.environ["MODEL"], task="embed", max_model_len=256)


@custom_invocation_handler
def answer(request_body: dict):
    outputs = llm.embed(request_body["inputs"], use_tqdm=False)
    encoded = llm.encode(request_body["inputs"], pooling_task="embed")
    (score,) = llm.score(request_body["inputs"][0], request_body["inputs"][0])
    return {
        "embeddings": [output.outputs.embedding for output in outputs],
        "encoded": [output.outputs.data.tolist() for output in encoded],
        "score": score.outputs.score,
    }
