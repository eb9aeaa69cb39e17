"""Middleware and a handler that keep things in the request's state under names that a server may have as well."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response


async def throttle(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    request.state.request_id = uuid.uuid4()
    request.state.connection = request.state.exchange = request.state.calls = object()
    return await call_next(request)


async def custom_sagemaker_invocation_handler(request: Request) -> dict[str, Any]:
    body = await request.json()
    if body.get("fail"):
        raise LookupError("out of luck")
    await asyncio.sleep(body.get("seconds", 0))
    return {"ok": True}
