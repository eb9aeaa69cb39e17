"""The emulator's lifecycle: listen, start the container, watch it, pass requests on, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import httpx
import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail_container.process.exits import ExitCode
from handrail_container.sagemaker.emulate.api import Limits, Runtime
from handrail_container.sagemaker.emulate.container import Container
from handrail_container.sagemaker.emulate.errors import answer, unavailable
from handrail_container.sagemaker.emulate.health import CONNECT_TIMEOUT_S, ContainerHealth
from handrail_container.server.listener import bind

logger = logging.getLogger("handrail.emulate")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class ListenAddress:
    """The address of the API, and the endpoint names it knows (empty: any)."""

    host: str
    port: int
    names: Collection[str] = field(default_factory=tuple)


class ApiServer(uvicorn.Server):
    """Plain uvicorn, which ends a stream when its client disconnects. Signals are left to the emulator."""

    def __init__(self, app: ASGIApp) -> None:
        # The container is stopped by then: a request still running can only wait for a --target.
        app = _answering_cancelled(app)
        super().__init__(
            uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1)
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _answering_cancelled(app: ASGIApp) -> ASGIApp:
    """`app`, which answers 503 to a request cancelled at shutdown; uvicorn would log a broken application."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        is_begun = False

        async def noting_send(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await app(scope, receive, noting_send)
        except asyncio.CancelledError:
            if not is_begun:
                response = await answer(Request(scope), unavailable("the emulator is being stopped"))
                await response(scope, receive, send)

    return answered


class Emulator:
    """Raises SettingsError if the port is taken. `container` is None if `target` is already being served."""

    def __init__(self, place: ListenAddress, limits: Limits, target: str, container: Container | None) -> None:
        self._socket = bind(place.host, place.port)
        self._names = place.names
        self._limits = limits
        self._target = target
        self._container = container
        self.port: int = self._socket.getsockname()[1]

    async def run(self) -> int:
        """Run until a signal (returns 0), or until the container fails to start (returns its exit status, or 4)."""
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        async with httpx.AsyncClient(base_url=self._target, timeout=timeout, limits=limits, trust_env=False) as http:
            health = ContainerHealth(http)
            listener = ApiServer(Runtime(http, health, self._names, self._limits).app())
            listening = asyncio.create_task(listener.serve(sockets=[self._socket]))
            try:
                return await self._watch(health)
            finally:
                health.stop()
                await self._stop_container()
                listener.should_exit = True
                await listening

    async def _stop_container(self) -> None:
        """Stop the container; running requests have SageMaker's timeout. A second signal is passed on."""
        if self._container is None:
            return
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._container.hurry)
        await self._container.stop()

    async def _watch(self, health: ContainerHealth) -> int:
        stopping = asyncio.Event()
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        async with asyncio.TaskGroup() as group:
            told = group.create_task(stopping.wait())
            lost = group.create_task(self._until_lost(health))
            pinging = group.create_task(health.watch())
            await asyncio.wait({told, lost, pinging}, return_when=asyncio.FIRST_COMPLETED)
            for task in (told, lost, pinging):
                task.cancel()
        return ExitCode.CLEAN if lost.cancelled() else lost.result()

    async def _until_lost(self, health: ContainerHealth) -> int:
        """Return the exit status if the container does not start; once it has been healthy, wait for ever."""
        starting = asyncio.create_task(health.was_healthy.wait())
        ending = asyncio.create_task(self._run_container())
        await asyncio.wait({starting, ending}, timeout=self._limits.startup_s, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return self._not_up(ending, health)
        status = await ending
        logger.error("the container ended with status %d; SageMaker would start it again, this does not", status)
        health.judge(f"it ended with status {status}")
        return await _never()

    def _not_up(self, ending: asyncio.Task[int], health: ContainerHealth) -> int:
        if ending.done():
            logger.error("Failed: the container ended with status %d before /ping was 200", ending.result())
            return ending.result()
        ending.cancel()
        logger.error("Failed: /ping was not 200 within %g s: %s", self._limits.startup_s, health.reason)
        return ExitCode.ENGINE_START

    async def _run_container(self) -> int:
        if self._container is not None:
            return await self._container.run()
        return await _never()


async def _never() -> NoReturn:
    while True:
        await asyncio.sleep(3600)
