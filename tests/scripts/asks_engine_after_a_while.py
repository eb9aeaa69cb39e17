"""Waits for `seconds` of the body where it has them, then asks the engine."""

import asyncio

from handrail import Engine, custom_invocation_handler


@custom_invocation_handler
async def answer(request, engine: Engine):
    body = await request.json()
    await asyncio.sleep(body.pop("seconds", 0))
    return await engine.completions(request=request, model_input=body)
