from handrail import custom_invocation_handler


@custom_invocation_handler
class Answer:
    async def __call__(self, request):
        return {}
