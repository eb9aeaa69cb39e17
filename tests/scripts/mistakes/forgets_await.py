from handrail import Engine, custom_invocation_handler


@custom_invocation_handler
async def answer(request, engine: Engine):
    completion = engine.chat_completions(request=request, model_input=await request.json())
    return completion.choices[0].message.content
