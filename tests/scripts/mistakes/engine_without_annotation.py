from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(request, engine):
    return await engine.chat_completions(request=request, model_input=await request.json())
