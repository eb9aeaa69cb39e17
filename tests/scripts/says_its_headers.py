from handrail import custom_invocation_handler


@custom_invocation_handler
async def say(request):
    return {name: value for name, value in request.headers.items() if name.startswith("trace")}
