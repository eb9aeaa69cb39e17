from handrail import Engine


async def custom_sagemaker_invocation_handler(request, engine: Engine):
    body = {**await request.json(), "stream": True}
    completion = await engine.chat_completions(request=request, model_input=body)
    return {"text": completion.choices[0].message.content}
