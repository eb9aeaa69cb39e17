from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(ask, engine: Engine):
    return {}
