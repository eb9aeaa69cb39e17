"""Builds engines by every name that vLLM's classes go by, with arguments that a text says and that it does not."""

import os
from os import environ
from pathlib import Path

import torch
import vllm
import vllm as v
import vllm.engine.async_llm_engine
from vllm import LLM as Engine
from vllm import AsyncEngineArgs, EngineArgs
from vllm.v1.engine.async_llm import AsyncLLM

HERE = Path(__file__).parent
SIZE = 2 * 1024
MODEL = os.environ.get("MODEL", "demo")
WORDS = {"seed": 1, "dtype": torch.bfloat16}
Other = Engine


class Mine(Engine):
    def __init__(self, name="mine"):
        self.said = []
        super().__init__(name, max_model_len=SIZE)


class Plain(v.LLM):
    """With vLLM's own constructor."""


class Holder:
    names = {"model": "held"}

    def __init__(self):
        self.args = AsyncEngineArgs(**self.names, enforce_eager=True)
        self.args.max_logprobs = 5
        self.engine = AsyncLLM.from_engine_args(self.args)


vllm.LLM(MODEL, max_model_len=SIZE, tokenizer=str(HERE / "tokens"), **WORDS)
v.LLM(model=f"{MODEL}-x", quantization="awq" if SIZE else None, revision=os.getenv("REVISION"))
Engine(model=environ["MODEL_NAME"] or "none", **{"swap_space": 4})
Other(model=input())
Mine("given")
Plain(model="plain")


def loads():
    from vllm import LLM

    words = dict(model="late", block_size=16)
    words.update(seed=3)
    words["max_num_seqs"] = 8
    if SIZE:
        words["dtype"] = "half"
    return LLM(**words)


def configured():
    engine_args = EngineArgs(model="configured")
    return vllm.engine.async_llm_engine.AsyncLLMEngine.from_vllm_config(engine_args.create_engine_config())


def main():
    arguments = AsyncEngineArgs(model="guarded")
    return v.AsyncLLMEngine.from_engine_args(engine_args=arguments)


if __name__ == "__main__":
    main()
    vllm.LLMEngine.from_engine_args(EngineArgs("direct", disable_log_stats=not SIZE))
