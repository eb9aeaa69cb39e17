"""A health check that does what its query says, and a middleware next to it that may be slow as well."""

import asyncio
import contextlib
import time

from fastapi import HTTPException
from handrail import custom_ping_handler

started = 0


@custom_ping_handler
async def check(request):
    global started
    started += 1
    match request.query_params.get("do"):
        case "hang":
            await asyncio.sleep(float(request.query_params["s"]))
        case "ignore_the_end":
            end = time.monotonic() + float(request.query_params["s"])
            while time.monotonic() < end:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.05)
        case "teapot":
            raise HTTPException(418, "short and stout", {"X-Why": "because"})
        case "raise":
            raise LookupError("nothing there")
    return {"started": started}


def hang(request):
    """Another health check: one that runs in a thread."""
    global started
    started += 1
    time.sleep(float(request.query_params.get("s", "0")))
    return {"started": started}


def before(request):
    if "before" in request.query_params:
        raise HTTPException(418, "no")


async def around(request, call_next):
    await asyncio.sleep(float(request.query_params.get("around", "0")))
    return await call_next(request)
