"""A server's life: listen, load, serve, drain, stop; and the status it exits with."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from handrail.resolve import Program

from handrail_container import app as composition
from handrail_container.engine import Backend
from handrail_container.errors import EngineDeadError, ExitCode, StartError
from handrail_container.lifecycle import Lifecycle, State
from handrail_container.listener import Listener, bind
from handrail_container.report import exit_code, refusal, say
from handrail_container.settings import Settings
from handrail_container.threads import in_thread

logger = logging.getLogger("handrail")

_HEALTH_INTERVAL_S = 0.5
_DRAIN_POLL_S = 0.05
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Refused(Exception):
    """The program has faults; the server does not start."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program


class Server:
    """One process's server. Raises SettingsError where the port is taken or there is no model."""

    def __init__(self, settings: Settings, host: str, fallback_model: Path | None = None) -> None:
        self.settings = settings
        #: Called once, with the program that is served.
        self.when_ready: Callable[[Program], None] = lambda program: None
        self.lifecycle = Lifecycle()
        self._socket = bind(host, settings.port)
        self._gate = composition.create_gate(settings, self.lifecycle)
        self._backend = composition.open_backend(settings, fallback_model)
        self._listener = Listener(self._gate)
        self._asked_to_stop = asyncio.Event()
        self._began = time.monotonic()

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    async def run(self) -> ExitCode:
        """Serve until a signal or a failure; returns the exit status once everything is stopped."""
        self._heed_signals()
        listening = asyncio.create_task(self._listener.serve(sockets=[self._socket]))
        try:
            code = await self._until_stopped()
        finally:
            self._listener.should_exit = True
            await listening
            await self._backend.stop()
        self.lifecycle.move(State.STOPPED, "the server has stopped")
        return code

    def _heed_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        """The first drains; a second stops at once, with the status a shell gives that signal."""
        if self._asked_to_stop.is_set():
            os._exit(128 + number)
        self._asked_to_stop.set()

    async def _until_stopped(self) -> ExitCode:
        """Whichever comes first: a failure of the start, a signal, the engine's death."""
        working = asyncio.create_task(self._work())
        stopping = asyncio.create_task(self._asked_to_stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            stopping.cancel()
            return self._failed(working)
        working.cancel()
        await self._drain()
        return ExitCode.CLEAN

    async def _work(self) -> None:
        await self._start()
        while True:
            await asyncio.sleep(_HEALTH_INTERVAL_S)
            await self._backend.check_health()

    async def _start(self) -> None:
        self.lifecycle.move(State.LOADING, "the script is loading")
        program = await in_thread(lambda: composition.load_program(self.settings), "script")
        for warning in program.warnings:
            logger.warning("%s", warning)
        if program.faults:
            raise Refused(program)
        for resolution in program.resolutions.values():
            logger.info("%s", resolution.sentence())
        await self._start_engine(self._backend, program)
        self.lifecycle.move(State.READY, "ready")
        logger.info("ready after %.1f s on port %d", time.monotonic() - self._began, self.port)
        self.when_ready(program)

    async def _start_engine(self, backend: Backend, program: Program) -> None:
        self.lifecycle.step(f"the {backend.name} engine's flags are checked")
        await in_thread(backend.prepare, "engine flags")
        self.lifecycle.step(f"the {backend.name} engine is starting")
        app = composition.create_app(backend)
        await backend.start(app)
        composition.open_gate(self._gate, app, backend, program, self.settings)
        self.lifecycle.move(State.WARMING, "the first token is awaited")
        await backend.warm_up()

    def _failed(self, working: asyncio.Task[None]) -> ExitCode:
        """Say what ended the work, and give the status for it."""
        error = working.exception()
        if isinstance(error, Refused):
            self.lifecycle.move(State.FAILED, "the script was refused")
            say(refusal((), error.program.faults))
            return exit_code((), error.program.faults)
        if isinstance(error, StartError):
            self.lifecycle.move(State.FAILED, str(error))
            say(refusal(error.problems, ()))
            return error.exit_code
        if isinstance(error, EngineDeadError):
            self.lifecycle.move(State.FAILED, str(error))
            say(f"handrail: the engine died: {error}")
            return ExitCode.ENGINE_DEAD
        self.lifecycle.move(State.FAILED, "an internal error of Handrail")
        logger.critical("a bug in Handrail ended the server", exc_info=error)
        return ExitCode.BUG

    async def _drain(self) -> None:
        """Admit nothing, and wait for what is in flight."""
        was_ready = self.lifecycle.is_ready
        self.lifecycle.move(State.DRAINING, "the server is stopping")
        deadline = time.monotonic() + self.settings.drain_s
        while was_ready and self._gate.in_flight and time.monotonic() < deadline:
            await asyncio.sleep(_DRAIN_POLL_S)
