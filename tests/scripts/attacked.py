"""A handler that attacks have use for: it blocks, prints, holds and pours as it is told, and chats otherwise."""

import asyncio
import time

from fastapi import Request
from handrail import custom_invocation_handler, custom_stream_handler


async def poured():
    """Without end, and awaits nothing."""
    while True:
        yield b"x" * 1000


@custom_invocation_handler
async def attacked(request: Request):
    told = await request.json()
    if "block_s" in told:
        time.sleep(told["block_s"])
    elif "print" in told:
        print("x" * told["print"], flush=True)
    elif "hold_s" in told:
        await asyncio.sleep(told["hold_s"])
    elif "pour" in told:
        return poured()
    else:
        return await request.app.state.engine.chat_completions(request=request, model_input=told)
    return {"done": True}


@custom_stream_handler
async def hear(websocket):
    """Takes the first message, and no other for as many seconds as it says."""
    await asyncio.sleep(float(await websocket.receive_text()))
    await websocket.close()
