"""A server's life: listen, load, serve, drain, stop; and the status it exits with."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from handrail.resolve import Program

from handrail_container.engine import opening
from handrail_container.gate.bodies import MB
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.gate.metrics import counting
from handrail_container.process import own_address
from handrail_container.process.exits import ExitCode, SettingsError
from handrail_container.process.signals import StopSignals
from handrail_container.server import composition
from handrail_container.server.guard import ListenerHandle, Watchdog
from handrail_container.server.health import HealthWatch
from handrail_container.server.listener import Listener, admit_nobody_new, bind
from handrail_container.server.observers import observe
from handrail_container.server.serving import Serving
from handrail_container.server.startup import Startup
from handrail_container.server.teardown import Teardown, ends_within
from handrail_container.server.watch import on_edit
from handrail_container.settings.fields import Settings

logger = logging.getLogger("handrail")

_POLL_S = 0.02
#: Seconds for requests in flight when the engine has died: its own fail at once, but handlers may still answer.
_FAILED_S = 5.0
#: Seconds a cancelled request gets to finish.
_ENDING_S = 1.5
#: Seconds the engine gets to stop.
_ENGINE_S = 15.0
#: Seconds for the whole teardown after the drain.
_LAST_S = 30.0
#: Seconds without requests before the server ends: one may still be in transit when the last one is answered.
_LINGER_S = 0.1
#: Seconds after the drain in which a blocked event loop may recover.
_GIVE_UP_S = 3.0


class Server:
    """One process's server. Raises SettingsError if the port is taken or there is no model."""

    def __init__(
        self, settings: Settings, host: str, fallback_model: Path | None = None, *, watches: bool = False
    ) -> None:
        if watches and not settings.model_path.is_dir():
            raise SettingsError(f"--watch: there is no directory {settings.model_path} to watch")
        self.settings = settings
        self._watches = watches
        self._serving: Serving | None = None
        #: Called once, with the program that is served.
        self.when_ready: Callable[[Program], None] = lambda program: None
        self._guard: Watchdog | None = None
        self._working: asyncio.Task[None] | None = None
        self._teardown = Teardown()
        self._signals = StopSignals(self._bound_stop)
        self._signals.install()  # before clients can connect: those that have are answered
        self.lifecycle = Lifecycle()
        self._socket = bind(host, settings.port)
        self._gate = composition.create_gate(settings, self.lifecycle)
        self._backend = opening.open_backend(settings, fallback_model)
        self._startup = Startup(
            settings,
            self.lifecycle,
            self._gate,
            self._backend,
            lambda: own_address.url(self._socket, self._gate.keys.own),
        )
        self._tracing = composition.open_tracing(settings)
        self._listener = Listener(self._gate, settings.max_body_mb * MB, settings.max_unread_mb * MB)

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def payloads(self) -> Mapping[str, str]:
        """The engine's own routes, by the key in a body that selects each."""
        return self._backend.routes_by_payload

    async def run(self) -> ExitCode:
        """Serve until a signal or a failure; returns the exit status once everything is stopped."""
        self._begin()
        code = ExitCode.BUG
        try:
            code = await self._until_stopped()
        finally:
            with ends_within(_LAST_S, code):
                await self._teardown.run()
        self.lifecycle.move(State.STOPPED, "the server has stopped")
        return code

    def _begin(self) -> None:
        """Start all but the program. The steps that end the parts are pushed in order, and run in reverse."""
        counted = ExitStack()
        tally = counted.enter_context(counting(self.lifecycle, self._gate.lanes))
        observe(self._gate, self._backend, tally, self._tracing)
        ends = self._teardown.push
        ends("the metrics", counted.close, _ENDING_S)
        if self._tracing is not None:
            ends("the tracing", self._tracing.close, _FAILED_S)
        ends("the engine", self._backend.stop, _ENGINE_S)
        ends("the program", self._end_program, None)
        sweeping = asyncio.create_task(self._gate.sweep())
        ends("the sweep of requests", sweeping.cancel, _ENDING_S)
        listening = asyncio.create_task(self._listener.serve(sockets=[self._socket]))
        ends("the listener", partial(self._stop_listening, listening), _FAILED_S)
        self._guard = Watchdog(self._gate, ListenerHandle(self._socket, self._listener.adopt), self.settings.stall_s)
        ends("the guard", self._guard.stop, _ENDING_S)
        self._guard.start()

    async def _stop_listening(self, listening: asyncio.Task[None]) -> None:
        self._listener.should_exit = True
        await listening

    async def _end_program(self) -> None:
        """End the program. If its start was still under way, the cancelled start ends its own parts."""
        assert self._working is not None  # `_until_stopped` sets it first
        await asyncio.wait({self._working}, timeout=_FAILED_S)
        if self._serving is not None:
            await self._serving.end()

    def _bound_stop(self) -> None:
        """Set the time by which the process ends although its event loop is blocked."""
        if self._guard is not None:
            self._guard.ends_at = time.monotonic() + self.settings.drain_s + _GIVE_UP_S

    async def _until_stopped(self) -> ExitCode:
        """Wait for the first of a failed start, a signal or the engine's death, then drain; returns the exit status."""
        self._working = working = asyncio.create_task(self._work())
        stopping = asyncio.create_task(self._signals.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        was_ready = self.lifecycle.is_ready
        if working.done():
            stopping.cancel()
            code, patience_s = self._startup.failed(working.exception()), _FAILED_S
        else:
            working.cancel()
            self.lifecycle.move(State.DRAINING, "the server is stopping")
            code, patience_s = ExitCode.CLEAN, self.settings.drain_s
        await self._settle(patience_s if was_ready else 0)
        return code

    async def _work(self) -> None:
        serving = await self._start()
        async with asyncio.TaskGroup() as group:
            group.create_task(HealthWatch(self._backend, self._gate, self.settings.stall_s).watch())
            if self._watches:
                group.create_task(on_edit(self.settings.model_path, serving.reload))

    async def _start(self) -> Serving:
        program = await self._startup.load()
        for pings in filter(None, (model.socket_pings for model in program.models)):
            self._listener.keep_alive(*pings)
        await self._startup.start_engine(program)
        serving = await self._startup.begin(program)
        self._serving = serving
        logger.info("ready after %s", self.lifecycle.timeline.summary(f" on port {self.port}"))
        self.when_ready(program)
        return serving

    async def _settle(self, patience_s: float) -> None:
        """Wait up to `patience_s` for requests in flight, cancel the rest, and let no new client connect."""
        self._listener.close_connections()
        if not await self._is_quiet(0, patience_s):
            await self._gate.end_all()
            await self._is_quiet(0, _ENDING_S)
        admit_nobody_new(self._socket)
        await asyncio.sleep(_POLL_S)  # for connections in its backlog
        if self._listener.has_connections:
            await self._is_quiet(_LINGER_S, 5 * _LINGER_S)

    async def _is_quiet(self, for_s: float, patience_s: float) -> bool:
        """Whether nothing is in flight for `for_s` seconds, within `patience_s` seconds."""
        deadline = time.monotonic() + patience_s
        busy_at = time.monotonic()
        while (now := time.monotonic()) < deadline:
            if self._gate.requests.total:
                busy_at = now
            elif now - busy_at >= for_s:
                return True
            await asyncio.sleep(_POLL_S)
        return not self._gate.requests.total
