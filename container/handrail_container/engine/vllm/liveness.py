"""Detects a hanging engine: it answers no request, and vLLM does not mark it as `errored`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

#: Seconds to wait for a call to the engine's process, which normally takes a millisecond.
_PROBE_S = 0.8


class Progress:
    """Tracks when the engine's process last sent a message."""

    def __init__(self, client: Any, stall_s: float) -> None:
        """To be made before the client's output handler runs: it replaces `get_output_async`."""
        self._client = client
        self._stall_s = stall_s
        self._seen_at = time.monotonic()
        core = client.engine_core
        get_output = core.get_output_async

        async def seen() -> Any:
            outputs = await get_output()
            self._seen_at = time.monotonic()
            return outputs

        core.get_output_async = seen

    async def is_stalled(self) -> bool:
        """True if requests run, no message has come for `stall_s` seconds, and the engine does not answer a probe. The
        probe is needed because a long step is silent, too."""
        if not self._client.output_processor.get_num_unfinished_requests():
            self._seen_at = time.monotonic()
        if time.monotonic() - self._seen_at < self._stall_s:
            return False
        try:
            async with asyncio.timeout(_PROBE_S):
                await self._client.is_sleeping()
        except TimeoutError:
            return True
        self._seen_at = time.monotonic()
        return False
