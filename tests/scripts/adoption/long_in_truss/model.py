"""A long answer of `LLM` in a Truss's `def predict`; `ended` says how those that did not finish were ended."""

import os

from vllm import LLM, SamplingParams


class Model:
    def __init__(self, **kwargs):
        self.llm = None
        self.ended = []

    def load(self):
        self.llm = LLM(model=os.environ["MODEL"])

    def predict(self, model_input):
        if "prompt" not in model_input:
            return self.ended
        try:
            sampling = SamplingParams(max_tokens=450, temperature=0, ignore_eos=True)
            outputs = self.llm.generate(model_input["prompt"], sampling)
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise
        return [len(output.outputs[0].token_ids) for output in outputs]
