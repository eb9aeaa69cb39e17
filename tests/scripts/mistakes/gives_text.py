from handrail import Engine


async def custom_sagemaker_invocation_handler(request, engine: Engine):
    return await engine.chat_completions(request=request, model_input="Hello!")
