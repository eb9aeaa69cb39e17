import asyncio

from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(request):
    return await asyncio.create_subprocess_exec("a-program-nobody-has")
