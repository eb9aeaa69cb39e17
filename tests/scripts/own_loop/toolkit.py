"""A script for SageMaker's toolkit whose coroutines block."""

from vllm import LLM

llm = LLM()


def model_fn(model_dir):
    return model_dir


async def predict_fn(data, model):
    return {"said": llm.generate(data["prompt"])}
