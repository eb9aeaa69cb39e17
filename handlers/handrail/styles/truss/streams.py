"""Handles a Model's generators: a timeout for stalled ones, one answer for clients that do not take a stream."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request

from handrail.core.answers import in_threads


class StreamStalled(Exception):
    """A generator yielded nothing within `runtime.streaming_read_timeout`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the generator gave nothing for {seconds:g} s: work faster, or raise runtime.streaming_read_timeout "
            "in config.yaml"
        )


async def timed(generator: Any, seconds: float) -> AsyncGenerator[Any]:
    """The items of a generator, async or not, with a timeout for each. Raises StreamStalled."""
    items = in_threads(generator) if inspect.isgenerator(generator) else generator
    ended = object()
    async with aclosing(items):
        while (item := await _next(items, ended, seconds)) is not ended:
            yield item


async def _next(items: AsyncGenerator[Any], ended: object, seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await anext(items, ended)
    except TimeoutError:
        if limit.expired():
            raise StreamStalled(seconds) from None
        raise  # the generator's own


def wants_whole(request: Request) -> bool:
    """Whether the client accepts only JSON. OpenAI's clients are excepted: they say so for streams, too."""
    is_openai = "openai" in request.headers.get("user-agent", "").lower()
    return request.headers.get("accept") == "application/json" and not is_openai


async def gathered(items: AsyncGenerator[Any]) -> Any:
    """All items at once: text as one string, anything else as a list."""
    async with aclosing(items):
        found = [item async for item in items]
    if all(isinstance(item, str | bytes) for item in found):
        return b"".join(item.encode() if isinstance(item, str) else item for item in found).decode(errors="replace")
    return found
