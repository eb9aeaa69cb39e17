"""A stream of text that heeds no cancellation."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


async def custom_sagemaker_invocation_handler() -> AsyncIterator[str]:
    yield "a"
    for _ in range(40):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.2)
    yield "b"
