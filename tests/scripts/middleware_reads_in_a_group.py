"""A middleware that reads the body in a task group."""

import asyncio

from handrail import custom_middleware


@custom_middleware("throttle")
async def read(request, call_next):
    async with asyncio.TaskGroup() as group:
        group.create_task(request.body())
    return await call_next(request)
