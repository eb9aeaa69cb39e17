"""What the soak asks: an answer of the engine, whole or streamed, an error, or patience."""

import asyncio
from typing import Any

from fastapi import Request
from handrail import Engine, custom_invocation_handler


@custom_invocation_handler
async def answer(request: Request, engine: Engine) -> Any:
    body = await request.json()
    if body["do"] == "fail":
        raise ValueError("asked to fail")
    if body["do"] == "wait":
        await asyncio.sleep(60)
    return await engine.chat_completions(request=request, model_input=body["ask"])
