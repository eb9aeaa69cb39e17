"""The life of `handrail serve --ray`, from the check of the script to the exit status."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from handrail.resolve import Program

from handrail_container.engine import opening, ray_cluster
from handrail_container.gate.lifecycle import Lifecycle
from handrail_container.process.exits import EngineDeadError, ExitCode, SettingsError
from handrail_container.process.report import say
from handrail_container.process.signals import StopSignals
from handrail_container.ray import require_ray
from handrail_container.ray.plan import options
from handrail_container.ray.replica import ReplicaFailed
from handrail_container.ray.sharing import require_no_sessions_of_one
from handrail_container.server import composition
from handrail_container.server.listener import bind
from handrail_container.server.startup import Startup
from handrail_container.settings.fields import Settings

if TYPE_CHECKING:
    from handrail_container.ray.cluster import Cluster

T = TypeVar("T")

logger = logging.getLogger("handrail")

_POLL_S = 0.25
_STATUS = re.compile(r"exit status (\d): (.*)", re.DOTALL)


class Fleet:
    """The replicas, run as one process from the command line."""

    def __init__(self, settings: Settings, host: str, fallback_model: Path | None = None) -> None:
        """Raises SettingsError if Ray is missing, the options are wrong, or RAY_ADDRESS does not answer."""
        require_ray()
        options(settings, 0)
        if unreachable := ray_cluster.unreachable(ray_cluster.address()):
            raise SettingsError(f"{unreachable}, and --ray starts a cluster on this machine")
        self._host = host
        self._fallback_model = fallback_model
        #: Called once, with the served program.
        self.when_ready: Callable[[Program], None] = lambda program: None
        self.port = settings.port
        if not (self.port and ray_cluster.names_a_cluster()):  # a running cluster's Serve proxy may hold the port
            with bind(host, self.port) as probe:
                self.port = int(probe.getsockname()[1])
        self._settings = settings.model_copy(update={"port": self.port})
        self._signals = StopSignals()
        self._startup = self._checks()
        self._cluster: Cluster | None = None
        #: Ray's processes end with the thread that started them.
        self._thread = ThreadPoolExecutor(1, "ray")

    def _checks(self) -> Startup:
        """The first steps of a start, made here before each replica repeats them."""
        lifecycle = Lifecycle()
        gate = composition.create_gate(self._settings, lifecycle)
        backend = opening.open_backend(self._settings, self._fallback_model)
        return Startup(self._settings, lifecycle, gate, backend, runs_engine=False)

    @property
    def payloads(self) -> Mapping[str, str]:
        """The engine's routes by payload. Only the replicas know vLLM's, so the chat route stands for them."""
        backend = self._startup.backend
        return backend.routes_by_payload or ({} if backend.name == "none" else {"messages": "/v1/chat/completions"})

    async def run(self) -> ExitCode:
        """Serve until a signal or a failure; returns the exit status once everything is stopped."""
        self._signals.install()
        stopping = asyncio.create_task(self._signals.wait())
        working = asyncio.create_task(self._work())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            stopping.cancel()
            code = self._failed(working.exception())
        else:
            working.cancel()
            code = ExitCode.CLEAN
        if self._cluster is not None:
            await self._in_thread(self._cluster.stop)
        return code

    async def _work(self) -> None:
        program = await self._startup.load()
        require_no_sessions_of_one(program, self._settings)
        from handrail_container.ray.cluster import Cluster

        lifecycle = self._startup.lifecycle
        lifecycle.step("Ray is starting", "ray")
        self._cluster = cluster = Cluster(self._settings, self._fallback_model)
        await self._in_thread(lambda: cluster.start(self._host, self.port))
        self._signals.install()  # again: Ray has replaced the handlers by its own, which kill the process
        await self._in_thread(cluster.deploy)
        lifecycle.step("the replicas are starting", "replicas")
        is_ready = False
        while True:
            if await self._in_thread(cluster.is_running) and not is_ready:
                is_ready = True
                where = f" on port {self.port}, where Ray Serve has all replicas"
                logger.info("ready after %s", lifecycle.timeline.summary(where))
                self.when_ready(program)
            await asyncio.sleep(_POLL_S)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        """Run `function` in the Ray thread, one call at a time: a stop waits for a start in progress."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def _failed(self, error: BaseException | None) -> ExitCode:
        if isinstance(error, ReplicaFailed) and (told := _STATUS.match(str(error))):
            say(told[2])
            return ExitCode(int(told[1]))
        if isinstance(error, ConnectionError):
            error = SettingsError(f"RAY_ADDRESS: no cluster answers there: {error}")
        if type(error).__module__.startswith("ray."):
            error = EngineDeadError(f"the Ray cluster is gone: {error}")
        return self._startup.failed(error)
