"""A handler that does what the body's `do` names: what a container can do to the platform in front of it."""

import asyncio
import os
import signal

from fastapi import Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from handrail import custom_invocation_handler, custom_ping_handler

PREFIX = "X-Amzn-SageMaker-"
pings = []


@custom_ping_handler
async def ping():
    for seconds in pings:
        await asyncio.sleep(seconds)


async def headers(told, request):
    return {name: value for name, value in request.headers.items() if name != "host"}


async def answer_with(told, request):
    return PlainTextResponse("answered", headers={PREFIX + name: value for name, value in told["headers"].items()})


async def refuse(told, request):
    return Response(told["text"].encode(), told["status"])


async def sleep(told, request):
    await asyncio.sleep(told["seconds"])


async def beat(told, request):
    async def beats():
        try:
            for number in range(told["beats"]):
                yield f"{number};"
                await asyncio.sleep(told.get("seconds", 0))
        finally:
            print("the beats ended", flush=True)
        if told.get("breaks"):
            raise RuntimeError("midway")

    return StreamingResponse(beats(), media_type="text/plain", headers={PREFIX + "Custom-Attributes": "beating"})


async def count(told, request):
    return {"bytes": len(await request.body())}


async def slow_ping(told, request):
    pings[:] = told["pings"]
    return JSONResponse(pings)


async def die(told, request):
    os.kill(os.getpid(), signal.SIGKILL)


@custom_invocation_handler
async def told(request: Request):
    if request.headers["content-type"] != "application/json":
        return await count(None, request)
    body = await request.json()
    return await globals()[body["do"]](body, request)
