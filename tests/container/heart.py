"""What work costs everybody else in this process: the processor time for which its loop does not turn, and memory."""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class Heart:
    """Beats as the loop turns; `worst_s` is the most of this thread's time between two beats."""

    def __init__(self) -> None:
        self.worst_s = 0.0

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[Heart]:
        gc.collect()  # what earlier tests have left is not this one's to look at
        task = asyncio.create_task(self._beat())
        try:
            yield self
        finally:
            task.cancel()

    async def _beat(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            self.worst_s = max(self.worst_s, time.thread_time() - before)


class Memory:
    """This process's, from the moment on when this is made."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _status("VmRSS")

    def grown(self) -> int:
        """Bytes that it had more since then, at most."""
        return max(0, _status("VmHWM") - self._before)


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return 1024 * int(found[1])
