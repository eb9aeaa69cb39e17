import asyncio
import os
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from handrail import custom_invocation_handler

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@custom_invocation_handler
async def invoke(request: Request):
    attributes = request.headers.get(ATTRIBUTES)
    if attributes == "stream":
        return StreamingResponse(pieces(Path(os.fsdecode(await request.body()))), media_type="text/plain")
    headers = {ATTRIBUTES: attributes} if attributes else {}
    return Response(str(len(await request.body())), headers=headers)


async def pieces(flag):
    """The second piece once the flag is there, which the reader of the first sets."""
    yield "first\n"
    while not flag.exists():
        await asyncio.sleep(0.01)
    yield "second\n"
