from handrail import Engine


async def custom_sagemaker_invocation_handler(request, engine: Engine):
    return [item async for item in engine.chat_completions(request, {"messages": [], "stream": True})]
