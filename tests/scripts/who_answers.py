"""Which process answered; slow where it is asked to be."""

import asyncio
import os

from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(request):
    body = await request.json()
    await asyncio.sleep(body.get("seconds", 0))
    return {"pid": os.getpid()}
