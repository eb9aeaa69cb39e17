from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(request):
    return JSONRespons({"a": 1})
