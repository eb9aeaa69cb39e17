from functools import partial

from handrail import custom_invocation_handler


async def infer(prefix, request, client):
    return {"answer": prefix + client((await request.json())["prompt"])}


handler = custom_invocation_handler(partial(infer, "> ", client=str.upper))
