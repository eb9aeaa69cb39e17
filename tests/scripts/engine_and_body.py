from handrail import Engine


async def custom_sagemaker_invocation_handler(body: dict, engine: Engine):
    return {"tokens": engine.tokenize(body["prompt"])}
