"""The steps of a server's start, and the exit status of a start that fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from fastapi import FastAPI
from handrail.resolve import Program

from handrail_container.engine.backend import Adopting, Backend
from handrail_container.engine.opening import fields_named
from handrail_container.gate.gate import Gate
from handrail_container.gate.keys import key_warnings
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.process.exits import EngineDeadError, ExitCode, StartError
from handrail_container.process.report import exit_code, refusal, say
from handrail_container.process.threads import in_thread
from handrail_container.program import engine_config, hub, requirements, startup_adapters
from handrail_container.program.adoption.record import Adoption
from handrail_container.program.load import load_program
from handrail_container.routes.application import create_app
from handrail_container.server import adopted
from handrail_container.server.engine_start import EngineStart
from handrail_container.server.serving import Serving, StartRefused
from handrail_container.settings.environment import vllm_server_warnings
from handrail_container.settings.fields import Settings

logger = logging.getLogger("handrail")


@dataclass
class Startup:
    """The steps are called in the order in which they are defined."""

    settings: Settings
    lifecycle: Lifecycle
    gate: Gate
    backend: Backend
    #: The URL of the engine's own routes, for processes of the program's.
    engine_url: Callable[[], str] = str
    #: Whether the engine runs in this process. In the process that starts Ray's replicas, the script is only checked.
    runs_engine: bool = True

    @cached_property
    def adoption(self) -> Adoption | None:
        """What the script builds of the engine's classes; None if it gets them as they are."""
        if not (self.settings.adopt and isinstance(self.backend, Adopting)):
            return None
        adoption = Adoption(self.settings, asyncio.get_running_loop())
        if not self.runs_engine:
            adoption.arrival.fail("the engines are in the replicas, and the script is only checked here")
        return adoption

    @cached_property
    def engine(self) -> EngineStart:
        adoption = self.adoption  # on the event loop, which it keeps
        return EngineStart(adoption if self.runs_engine else None, self._start_engine)

    @cached_property
    def app(self) -> FastAPI:
        return create_app(self.backend)

    @cached_property
    def serving(self) -> Serving:
        return Serving(self.settings, self.gate, self.backend, self.app, self.engine_url(), self.adoption)

    async def load(self) -> Program:
        """Install the requirements and resolve the handlers; the script may start the engine meanwhile. Raises
        StartError, StartRefused."""
        return await self.engine.beside(self._load())

    async def _load(self) -> Program:
        self.lifecycle.move(State.LOADING, "the script is loading", "script")
        planned = await in_thread(lambda: requirements.plan(self.settings), "requirements")
        if planned.is_needed:
            self.lifecycle.step("the script's requirements are being installed", "requirements")
            await in_thread(lambda: requirements.install(planned), "requirements")
            self.lifecycle.step("the script is loading", "script")
        for warning in planned.warnings:
            logger.warning("%s", warning)
        program = await in_thread(self._load_script, "script")
        of_keys, of_vllm = key_warnings(self.settings), vllm_server_warnings(self.settings)
        config = engine_config.read(self.settings)
        configured = (*config.warnings, *of_keys, *of_vllm, *hub.warnings(self.settings))
        adapters = await in_thread(lambda: startup_adapters.load(self.settings), "adapters")
        for warning in (*program.warnings, *configured, *adapters.warnings):
            logger.warning("%s", warning)
        refused = self.adoption.faults if self.adoption is not None else ()
        if program.faults or adapters.faults or refused:
            raise StartRefused(*refused, *program.faults, *adapters.faults)
        for sentence in (*program.sentences(), *filter(None, (config.lmi.sentence,)), *adapters.sentences()):
            logger.info("%s", sentence)
        self.backend.adapters.codes.update(adapters.codes)
        return program

    def _load_script(self) -> Program:
        if self.adoption is not None and isinstance(self.backend, Adopting):
            self.backend.adopt(self.adoption)
        return load_program(self.settings)

    async def start_engine(self, program: Program) -> FastAPI:
        """The application with the engine's own routes. Raises StartError; StartRefused, where the program's parts
        have to start first, as they build the engine."""
        found = self.serving.find_engine()
        try:
            if found.starts_first:
                self.lifecycle.step("the script starts, and builds an engine", "handlers")
                await self.engine.beside(self.serving.start(program))
            adopted.require_model(found, self.adoption, self.backend)
            await self.engine.done()
        except BaseException:
            await self.serving.abandon()
            raise
        return self.app

    async def _start_engine(self) -> None:
        if self.adoption is not None and isinstance(self.backend, Adopting):
            self.backend.ask(self.adoption.flags)
        self.lifecycle.step(f"the {self.backend.name} engine's flags are checked", "imports")
        with fields_named(self.settings):
            await in_thread(self._prepare, "engine flags")
        self.lifecycle.step(f"the {self.backend.name} engine is starting", "engine")
        with fields_named(self.settings):
            await self.backend.start(self.app)
        if self.settings.adapters_code != "ignore":
            adapters = self.backend.adapters
            for warning in startup_adapters.without_code(adapters.loaded(), adapters.codes):
                logger.warning("%s", warning)
        self.lifecycle.move(State.WARMING, "the first token is awaited", "first token")
        await self.backend.warm_up()

    def _prepare(self) -> None:
        self.backend.anticipate()
        self.backend.prepare()

    async def begin(self, program: Program) -> Serving:
        """Run the program's start-up hooks, load its Models, and let requests through. Raises StartRefused."""
        self.lifecycle.step("the handlers are starting", "handlers")
        for model in program.models:
            self.lifecycle.step(model.loading)
        await self.serving.begin(program)
        if self.adoption is not None:
            for warning in self.adoption.warnings:
                logger.warning("%s", warning)
            for sentence in self.adoption.sentences():
                logger.info("%s", sentence)
        self.lifecycle.move(State.READY, "ready")
        return self.serving

    def failed(self, error: BaseException | None) -> ExitCode:
        """Report every cause of the failure; returns the highest of their exit statuses."""
        told = [self._tell(cause) for cause in _causes(error)]
        code, reason = max(told, key=lambda one: one[0])
        self.lifecycle.move(State.FAILED, reason)
        return code

    def _tell(self, error: BaseException | None) -> tuple[ExitCode, str]:
        """Report one cause; returns its exit status, and the reason for clients."""
        hidden = self.settings.redactor
        if isinstance(error, StartRefused):
            say(hidden(refusal((), error.faults)))
            return exit_code((), error.faults), "the script was refused"
        if isinstance(error, StartError):
            say(hidden(refusal(error.problems, ())))
            return error.exit_code, hidden(str(error))
        if isinstance(error, EngineDeadError):
            say(hidden(f"handrail: {error}"))
            return ExitCode.ENGINE_DEAD, hidden(str(error))
        logger.critical("a bug in Handrail ended the server", exc_info=error)
        return ExitCode.BUG, "an internal error of Handrail"


def _causes(error: BaseException | None) -> list[BaseException | None]:
    """`error` itself, or the exceptions that a group holds, also in nested groups."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [cause for one in error.exceptions for cause in _causes(one)]
