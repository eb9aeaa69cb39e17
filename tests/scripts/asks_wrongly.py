"""Handlers whose calls the engine refuses: for what they make themselves, or for what the client sent."""

import asyncio

from fastapi import Request
from handrail import Engine
from pydantic import BaseModel


class Ask(BaseModel):
    text: str = ""


async def builds(request: Request, engine: Engine):
    body = await request.json()
    return await engine.chat_completions(model_input={"prompt": body["text"]})


async def builds_of_nothing(engine: Engine):
    return await engine.completions(model_input={"text": "a"})


async def builds_from_bytes(request: Request, engine: Engine):
    await request.body()
    return (await asyncio.gather(engine.chat_completions(request, {"prompt": "a"})))[0]


async def builds_from_a_model(ask: Ask, *, engine: Engine):
    return await helper(engine, {"messages": ask.text})


async def helper(engine, body):
    return await engine.chat_completions(model_input=body)


async def builds_for_anything(request, engine: Engine):
    return await engine.chat_completions(model_input={"prompt": "a"})


async def passes_on(request: Request, engine: Engine):
    return await engine.chat_completions(request, await request.json())


async def passes_on_more(body: dict, engine: Engine):
    return await engine.chat_completions(model_input={**body, "max_tokens": 2})


async def passes_on_bytes(request: Request, engine: Engine):
    import json

    return await engine.chat_completions(model_input=json.loads(await request.body()))


async def passes_on_a_model(ask: Ask, engine: Engine):
    return await engine.chat_completions(model_input=ask.model_dump())


async def refuses_itself(request: Request):
    from fastapi import HTTPException

    raise HTTPException(400, "say please")
