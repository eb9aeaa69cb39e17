from handrail import custom_invocation_handler, custom_ping_handler


@custom_ping_handler()
def alive():
    return True


@custom_invocation_handler
async def infer(request):
    return {"prompt": (await request.json())["prompt"]}
