"""Uses its engine in child processes."""

import multiprocessing
import os

from handrail import custom_invocation_handler
from vllm import LLM, AsyncEngineArgs, AsyncLLMEngine, SamplingParams

llm = LLM(os.environ["MODEL"])
engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=os.environ["MODEL"]))
USES = {
    "generate": lambda: llm.generate("Hello", SamplingParams(max_tokens=4)),
    "tokenizer": lambda: llm.get_tokenizer(),
    "build": lambda: LLM(os.environ["MODEL"]),
    "asynchronous": lambda: engine.generate("Hello", SamplingParams(max_tokens=4), "1"),
    "model_config": lambda: engine.model_config,
}


def told(use):
    try:
        return f"no error: {USES[use]()!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def in_child(sending, use):
    sending.send(told(use))


@custom_invocation_handler
def answer(body: dict):
    receiving, sending = multiprocessing.Pipe(duplex=False)
    if body["by"] == "fork":
        child = os.fork()
        if child == 0:
            try:
                in_child(sending, body["use"])
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return receiving.recv()
    process = multiprocessing.get_context("fork").Process(target=in_child, args=(sending, body["use"]))
    process.start()
    process.join(20)
    return receiving.recv() if receiving.poll() else "it hangs"
