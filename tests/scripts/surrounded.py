"""A handler with a throttle and formatters around it, which the body's `do` tells what to do."""

import asyncio
import json

from fastapi import HTTPException
from handrail import custom_invocation_handler, custom_middleware, input_formatter, output_formatter
from starlette.responses import JSONResponse

left = []


@custom_middleware("throttle")
async def throttle(request, call_next):
    if request.headers.get("x-caller") == "greedy":
        return JSONResponse({"slow": "down"}, 429)
    response = await call_next(request)
    response.headers["X-Throttle"] = "passed"
    return response


@input_formatter
async def check(request):
    caller = request.headers.get("x-caller")
    if caller == "unknown":
        raise HTTPException(401, "who are you?")
    if caller == "slow":
        await asyncio.sleep(30)
    if caller == "broken":
        raise KeyError("no such caller")


@output_formatter
async def sign(response):
    response.headers["X-Signed"] = "yes"


@custom_invocation_handler
async def answer(request):
    do = json.loads(await request.body() or b"{}").get("do")
    return {"stream": numbers, "endless": endless, "text_fails": text_fails}.get(do, list)() if do != "left" else left


async def numbers():
    for number in range(5):
        yield {"number": number}
        await asyncio.sleep(0.05)


async def endless():
    try:
        while True:
            yield "on and on "
            await asyncio.sleep(0.01)
    finally:
        left.append("the client left")


async def text_fails():
    yield "half"
    raise ValueError("midway")
