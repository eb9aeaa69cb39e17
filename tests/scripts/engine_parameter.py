from handrail import Engine


async def custom_sagemaker_invocation_handler(request, engine: Engine, *, spare: Engine | None = None):
    return await engine.completions(request, await request.json())
