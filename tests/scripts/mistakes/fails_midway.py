from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(request):
    yield "one "
    raise RuntimeError("midway")
