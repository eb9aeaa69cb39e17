"""Whether the engine still does anything: one that hangs is not `errored`, and answers nobody."""

from __future__ import annotations

import asyncio
import time
from typing import Any

#: A call to the engine's process and back takes a millisecond.
_PROBE_S = 0.8


class Progress:
    """When the engine last gave anything, by the messages that come from its process."""

    def __init__(self, client: Any, stall_s: float) -> None:
        """Before the client's output handler runs."""
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
        """True where requests run, nothing has come for as long as is allowed, and the engine does not answer either:
        a long step is silent, too."""
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
