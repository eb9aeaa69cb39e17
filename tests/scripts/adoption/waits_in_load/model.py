"""A Truss that generates in `load`."""

import json
import os

from vllm import LLM


class Model:
    def load(self):
        self.llm = LLM(**json.loads(os.environ["ARGUMENTS"]))
        self.llm.generate("Hello")

    def predict(self, model_input):
        return "never"
