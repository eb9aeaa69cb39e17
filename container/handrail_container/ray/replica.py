"""One replica: a server's startup, health and shutdown without listener, signals and exit status."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from handrail_container.engine import opening
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.gate.metrics import counting
from handrail_container.process import children, logs
from handrail_container.process.exits import EngineDeadError, StartError
from handrail_container.process.own_address import authority
from handrail_container.process.report import refusal
from handrail_container.ray.entrance import ReplicaApp
from handrail_container.ray.exposition import merged
from handrail_container.ray.sharing import keep_adapters, require_no_sessions_of_one
from handrail_container.server import composition
from handrail_container.server.health import HealthWatch
from handrail_container.server.observers import observe
from handrail_container.server.serving import StartRefused
from handrail_container.server.startup import Startup
from handrail_container.server.teardown import Teardown
from handrail_container.settings import environment

logger = logging.getLogger("handrail")

#: Seconds for requests in flight after the engine has died: engine calls fail at once, handlers may answer.
_FAILED_S = 5.0
#: Seconds that each part gets to end, and seconds for the engine.
_ENDING_S = 1.5
_ENGINE_S = 15.0
_POLL_S = 0.02
#: Returns the metrics of every replica by its name.
Expositions = Callable[[], Awaitable[Mapping[str, str]]]


class ReplicaFailed(Exception):
    """The replica cannot start. Serve passes on only its text: `exit status 3: …`."""


class Replica:
    """The application with its own engine. It begins once and ends once, and runs on Serve's event loop for it."""

    def __init__(
        self, variables: Mapping[str, str], fallback_model: Path | None = None, host: str = "127.0.0.1"
    ) -> None:
        """`variables` are set in this process; `host` is where Serve's proxies listen. Raises SettingsError."""
        environment.take(variables)
        self.settings = settings = environment.read()
        logs.configure(settings.log_level, settings.log_format, settings.redactor)
        self.lifecycle = Lifecycle()
        self._host = host
        self._gate = composition.create_gate(settings, self.lifecycle)
        self._backend = opening.open_backend(settings, fallback_model)
        self._startup = Startup(settings, self.lifecycle, self._gate, self._backend, self._engine_url)
        self._tracing = composition.open_tracing(settings)
        self._teardown = Teardown()
        self.entrance = ReplicaApp(self._gate)

    async def begin(self) -> None:
        """Return once the replica can answer. Raises ReplicaFailed."""
        counted = ExitStack()
        tally = counted.enter_context(counting(self.lifecycle, self._gate.lanes))
        observe(self._gate, self._backend, tally, self._tracing)
        self._teardown.push("the metrics", counted.close, _ENDING_S)
        if (tracing := self._tracing) is not None:
            self._teardown.push("the tracing", lambda: tracing.close(), _FAILED_S)
        self._teardown.push("the engine", self._backend.stop, _ENGINE_S)
        try:
            program = await self._startup.load()
            require_no_sessions_of_one(program, self.settings)
            app = await self._startup.start_engine(program)
            keep_adapters(app, self._backend.adapters, self.settings)
            serving = await self._startup.begin(program)
        except Exception as error:  # noqa: BLE001  any failure of the start; a bug of ours is logged as one
            code = self._startup.failed(error)
            await self.end()
            raise ReplicaFailed(f"exit status {int(code)}: {self._hidden(error)}") from None  # already logged
        self._teardown.push("the program", serving.end, None)
        for watching in (asyncio.create_task(self._gate.sweep()), asyncio.create_task(self._watch_engine())):
            self._teardown.push("a watcher", watching.cancel, _ENDING_S)
        logger.info("ready after %s", self.lifecycle.timeline.summary(""))

    def _engine_url(self) -> str:
        """The URL of Serve's proxy, with the operator's key: the proxy may pass the request on to another replica."""
        key = f":{quote(self.settings.api_keys[0], safe='')}@" if self.settings.api_keys else ""
        return f"http://{key}{authority(self._host, self.settings.port)}"

    def _hidden(self, error: Exception) -> str:
        """The failure's message for the operator, with secrets masked."""
        if isinstance(error, StartError):
            return self.settings.redactor(refusal(error.problems, ()))
        faults = error.faults if isinstance(error, StartRefused) else ()
        return self.settings.redactor(refusal((), faults) or f"handrail: {error!r}")

    def share(self, expositions: Expositions) -> None:
        """Make `/metrics` return the metrics of all replicas."""

        async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
            text = merged(await expositions())
            await Response(text, media_type=CONTENT_TYPE_LATEST)(scope, receive, send)

        self._gate.endpoints["/metrics"] = replace(self._gate.endpoints["/metrics"], app=metrics)

    def exposition(self) -> str:
        return generate_latest().decode()

    async def check_health(self) -> None:
        """Raises EngineDeadError if this replica can no longer serve."""
        if self.lifecycle.state is State.FAILED:
            raise EngineDeadError(self.lifecycle.reason)
        await self._backend.check_health()

    async def _watch_engine(self) -> None:
        """Notice a dead engine before Serve's health check does: let requests in flight fail with a reason, then end
        the process, which Serve sees at once."""
        try:
            await HealthWatch(self._backend, self._gate, self.settings.stall_s).watch()
        except EngineDeadError as error:
            code = self._startup.failed(error)
            await self._settle(_FAILED_S)
            logging.shutdown()
            children.exit_with(code)

    async def drain(self) -> None:
        """Wait for requests in flight, and end those that remain after `drain_s`. Serve sends no new ones meanwhile."""
        await self._settle(self.settings.drain_s)
        if self._gate.requests.total and self.lifecycle.is_ready:
            self.lifecycle.move(State.DRAINING, "the server is stopping")
            await self._gate.end_all()

    async def _settle(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while self._gate.requests.total and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)

    async def end(self) -> None:
        """Run the shutdown hooks, and stop the engine. Does nothing the second time: Serve also calls it after a failed
        start, which has ended already."""
        if self.lifecycle.state is State.STOPPED:
            return
        if self.lifecycle.is_ready:
            self.lifecycle.move(State.DRAINING, "the server is stopping")
        await self._teardown.run()
        self.lifecycle.move(State.STOPPED, "the replica has stopped")
