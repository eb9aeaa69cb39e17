"""One replica: what `server.py` is to a process, without its listener, its signals and its exit status."""

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

#: What is in flight when the engine has died: its requests fail at once, and handlers may have more to say.
_FAILED_S = 5.0
#: What is told to end has so long to do so, and the engine this long.
_ENDING_S = 1.5
_ENGINE_S = 15.0
_POLL_S = 0.02
#: Every replica's name and metrics.
Expositions = Callable[[], Awaitable[Mapping[str, str]]]


class ReplicaFailed(Exception):
    """The replica cannot start. Its text is all of it that Serve passes on: `exit status 3: …`."""


class Replica:
    """The application with an engine of its own: begun once, ended once. Everything runs on Serve's loop for it."""

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
        self._backend = composition.open_backend(settings, fallback_model)
        self._startup = Startup(settings, self.lifecycle, self._gate, self._backend)
        self._tracing = composition.open_tracing(settings)
        self._teardown = Teardown()
        self.entrance = ReplicaApp(self._gate)

    async def begin(self) -> None:
        """Return once it can answer. Raises ReplicaFailed."""
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
            app = await self._startup.start_engine()
            keep_adapters(app, self._backend.adapters, self.settings)
            serving = await self._startup.begin(program, app, self._engine_url())
        except Exception as error:  # noqa: BLE001  whatever ended the start; a bug of ours is logged as one
            code = self._startup.failed(error)
            await self.end()
            raise ReplicaFailed(f"exit status {int(code)}: {self._hidden(error)}") from None  # it has been said
        self._teardown.push("the program", serving.end, None)
        for watching in (asyncio.create_task(self._gate.sweep()), asyncio.create_task(self._watch_engine())):
            self._teardown.push("a watcher", watching.cancel, _ENDING_S)
        logger.info("ready after %s", self.lifecycle.timeline.summary(""))

    def _engine_url(self) -> str:
        """Serve's proxy, which may pass the request on to another replica: it goes with the operator's key."""
        key = f":{quote(self.settings.api_keys[0], safe='')}@" if self.settings.api_keys else ""
        return f"http://{key}{authority(self._host, self.settings.port)}"

    def _hidden(self, error: Exception) -> str:
        """What is wrong, as the operator reads it."""
        if isinstance(error, StartError):
            return self.settings.redactor(refusal(error.problems, ()))
        faults = error.faults if isinstance(error, StartRefused) else ()
        return self.settings.redactor(refusal((), faults) or f"handrail: {error!r}")

    def share(self, expositions: Expositions) -> None:
        """It is one of several: `/metrics` has all of theirs."""

        async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
            text = merged(await expositions())
            await Response(text, media_type=CONTENT_TYPE_LATEST)(scope, receive, send)

        self._gate.endpoints["/metrics"] = replace(self._gate.endpoints["/metrics"], app=metrics)

    def exposition(self) -> str:
        return generate_latest().decode()

    async def check_health(self) -> None:
        """Raises EngineDeadError where this replica is of no use any more."""
        if self.lifecycle.state is State.FAILED:
            raise EngineDeadError(self.lifecycle.reason)
        await self._backend.check_health()

    async def _watch_engine(self) -> None:
        """An engine that has died is noticed before Serve asks. The process ends, which Serve sees at once; what is in
        flight fails first, with a reason."""
        try:
            await HealthWatch(self._backend, self._gate, self.settings.stall_s).watch()
        except EngineDeadError as error:
            code = self._startup.failed(error)
            await self._settle(_FAILED_S)
            logging.shutdown()
            children.exit_with(code)

    async def drain(self) -> None:
        """Serve lets nobody new in from now on: what is still in flight when the drain's time is over is told so."""
        await self._settle(self.settings.drain_s)
        if self._gate.requests.total and self.lifecycle.is_ready:
            self.lifecycle.move(State.DRAINING, "the server is stopping")
            await self._gate.end_all()

    async def _settle(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while self._gate.requests.total and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)

    async def end(self) -> None:
        """Run the shutdown hooks, and stop the engine. Nothing where that is done: Serve ends what a failed start has
        ended."""
        if self.lifecycle.state is State.STOPPED:
            return
        if self.lifecycle.is_ready:
            self.lifecycle.move(State.DRAINING, "the server is stopping")
        await self._teardown.run()
        self.lifecycle.move(State.STOPPED, "the replica has stopped")
