"""Uses the engine before it can be served: a tokenizer at import, a warm-up generation in `load`."""

import json
import os

from vllm import LLM, SamplingParams

llm = LLM(**json.loads(os.environ["ARGUMENTS"]))
tokenizer = llm.get_tokenizer()
NEWLINE = tokenizer.encode("\n")


class Model:
    def __init__(self, **kwargs):
        self.warm = None

    def load(self):
        outputs = llm.generate(["Hello", "One"], SamplingParams(max_tokens=4, temperature=0))
        self.warm = [len(output.outputs[0].token_ids) for output in outputs]

    def predict(self, model_input):
        return {"warm": self.warm, "newline": NEWLINE, "length": llm.model_config.max_model_len}
