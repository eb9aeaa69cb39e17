"""The health check: polls `/ping`, with a timeout of two seconds."""

from __future__ import annotations

import asyncio
import logging

import httpx

logger = logging.getLogger("handrail.emulate")

PING_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 0.25
_STARTING_INTERVAL_S = 0.2
_INTERVAL_S = 1.0


class ContainerHealth:
    """The result of the last `/ping`: `reason` is None after a 200, else the reason for the failure."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.reason: str | None = "it has not answered /ping yet"
        self.was_healthy = asyncio.Event()

    async def watch(self) -> None:
        """Poll until cancelled."""
        while True:
            self.judge(await self._ask())
            await asyncio.sleep(_INTERVAL_S if self.was_healthy.is_set() else _STARTING_INTERVAL_S)

    def judge(self, reason: str | None) -> None:
        """Record a result (None: healthy) and log each change."""
        if reason is None and self.reason is not None:
            logger.info("InService: /ping is 200")
        elif reason is not None and self.reason is None:
            logger.warning("unhealthy: %s", reason)
        self.reason = reason
        if reason is None:
            self.was_healthy.set()

    def stop(self) -> None:
        """Refuse requests from now on. Logged as a stop, not as a failed health check."""
        self.reason = "it is being stopped"
        logger.info("%s: no more requests reach the container", self.reason)

    async def _ask(self) -> str | None:
        timeout = httpx.Timeout(PING_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            async with asyncio.timeout(PING_TIMEOUT_S):
                answer = await self._http.get("/ping", timeout=timeout)
        except (TimeoutError, httpx.TimeoutException):
            return f"/ping took over {PING_TIMEOUT_S:g} s"
        except httpx.TransportError as error:
            return f"/ping cannot be asked: {error}"
        return None if answer.status_code == 200 else f"/ping is {answer.status_code}: {answer.text[:200]}"
