from handrail import custom_invocation_handler


@custom_invocation_handler
async def first(request):
    return 1


@custom_invocation_handler
async def second(request):
    return 2
