from handrail import Engine


async def custom_sagemaker_invocation_handler(request, engine: Engine):
    return await engine.chat_completions(await request.json())
