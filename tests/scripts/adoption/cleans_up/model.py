"""Gives its engines up in every way that scripts do, while others answer."""

import copy
import gc
import os
import pickle
import uuid

from handrail import custom_invocation_handler
from vllm import LLM, AsyncEngineArgs, AsyncLLMEngine, SamplingParams
from vllm.distributed.parallel_state import destroy_distributed_environment, destroy_model_parallel

SAMPLING = SamplingParams(max_tokens=12, temperature=0)


def built():
    return AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model=os.environ["MODEL"]))


def said(function, *arguments):
    try:
        return f"no error: {function(*arguments)!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@custom_invocation_handler
def answer(body: dict):
    llm, engine = LLM(os.environ["MODEL"]), built()
    before = {"pickle": said(pickle.dumps, llm), "deepcopy": said(copy.deepcopy, engine)}
    tokens = list(llm.generate(body["prompt"], SAMPLING)[0].outputs[0].token_ids)
    after = {"pickle": said(pickle.dumps, llm), "deepcopy": said(copy.deepcopy, llm), "copy": said(copy.copy, engine)}
    engine.shutdown()
    used = said(engine.generate, "Hello", SAMPLING, str(uuid.uuid4()))
    del llm, engine
    gc.collect()
    destroy_model_parallel()
    destroy_distributed_environment()
    return {"token_ids": tokens, "before": before, "after": after, "used": used}
