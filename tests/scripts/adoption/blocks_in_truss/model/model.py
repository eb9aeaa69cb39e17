"""A Truss whose `predict` is `async` and blocks."""

import os

from vllm import LLM, SamplingParams


class Model:
    def load(self):
        self.llm = LLM(model=os.environ["MODEL"], max_model_len=256)

    async def predict(self, body):
        (output,) = self.llm.generate([body["prompt"]], SamplingParams(temperature=0, max_tokens=8, ignore_eos=True))
        return {"text": output.outputs[0].text}
