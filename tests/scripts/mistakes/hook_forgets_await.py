from handrail import Engine, on_startup


@on_startup
async def warm_up(engine: Engine):
    engine.chat_completions(model_input={"messages": []}).choices
