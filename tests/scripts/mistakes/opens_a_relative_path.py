from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(request):
    with open("prompts/system.txt") as prompt:
        return prompt.read()
