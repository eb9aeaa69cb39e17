"""Runs a model directory's container as SageMaker does: `serve`, settings by environment only, SIGTERM to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Mapping

logger = logging.getLogger("handrail.emulate")

#: Seconds between SIGTERM and SIGKILL.
STOP_S = 30.0
#: SageMaker gives only `serve`; on a laptop the server listens on loopback.
_ARGUMENTS = ("serve", "--host", "127.0.0.1")
_MAIN = "from handrail_container.cli import main; main(prog_name='handrail')"


def free_port() -> int:
    """A free port on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Container:
    """`handrail serve` as a child process, which shares our output."""

    def __init__(self, environment: Mapping[str, str], stop_s: float = STOP_S) -> None:
        self.port = free_port()
        self._environment = {**environment, "SAGEMAKER_BIND_TO_PORT": str(self.port)}
        self._stop_s = stop_s
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def run(self) -> int:
        """Start the process, wait for its end and return its exit status."""
        # Its own process group: Ctrl-C goes to the emulator, which then stops it as SageMaker would.
        # -P: the same sys.path as the installed command.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", _MAIN, *_ARGUMENTS, env=self._environment, process_group=0
        )
        return await self._process.wait()

    def hurry(self) -> None:
        """Send a second signal, which ends `serve` at once. SIGINT, because two pending SIGTERMs would merge."""
        self._tell(signal.SIGINT)

    async def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after the timeout."""
        self._tell(signal.SIGTERM)
        if self._process is None:
            return
        try:
            await asyncio.wait_for(self._process.wait(), self._stop_s)
        except TimeoutError:
            logger.warning("the container did not end within %g s of SIGTERM: SIGKILL", self._stop_s)
            self._process.kill()
            await self._process.wait()

    def _tell(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
