"""Which process answered, what its session was told so far, and slow where it is asked to be."""

import asyncio
import os

from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(request):
    body = await request.json()
    await asyncio.sleep(body.get("seconds", 0))
    session = request.state.session
    if session is None:
        return {"pid": os.getpid()}
    async with session.lock:
        turns = [*session.get("turns", []), body.get("say")]
        session.set("turns", turns)
    return {"pid": os.getpid(), "turns": turns}
