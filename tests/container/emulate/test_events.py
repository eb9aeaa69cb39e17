"""What a stream says of a failure that is neither the container's nor the time's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from botocore.eventstream import EventStreamBuffer
from handrail_container.sagemaker.emulate.api import RuntimeCall, events


class Odd(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"the beginning"
        raise RuntimeError("nobody thought of this")


async def test_a_bug_of_the_emulators_is_an_internal_stream_failure(caplog: pytest.LogCaptureFixture) -> None:
    """In the stream, and in the log."""
    call = RuntimeCall("demo", "blue", httpx.Request("POST", "http://x"), 60, asyncio.get_running_loop().time() + 60)
    buffer = EventStreamBuffer()
    async for event in events(httpx.Response(200, stream=Odd()), call):
        buffer.add_data(event)
    part, failure = buffer
    assert part.payload == b"the beginning"
    assert failure.headers[":exception-type"] == "InternalStreamFailure"
    assert b"nobody thought of this" in failure.payload
    assert "a bug of the emulator's" in caplog.text
