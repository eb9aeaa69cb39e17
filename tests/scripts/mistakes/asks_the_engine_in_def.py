from handrail import Engine, custom_invocation_handler


@custom_invocation_handler
def answer(request, engine: Engine):
    completion = engine.chat_completions(model_input={"messages": []})
    return {"text": completion.choices[0].message.content}
