"""A handler that answers once the file the request names exists, and says when it has begun."""

import asyncio
import logging
from pathlib import Path

from handrail import custom_invocation_handler

logger = logging.getLogger(__name__)


@custom_invocation_handler
async def hold(request):
    release = Path((await request.json())["until"])
    logger.info("holding a request")
    while not release.exists():
        await asyncio.sleep(0.01)
    return {"held": True}
