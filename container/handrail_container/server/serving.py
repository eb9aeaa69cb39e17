"""Starts, replaces and ends the program that is served; the engine runs on untouched."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from fastapi import FastAPI
from handrail.adoption.own_loop import STOP_S
from handrail.core import hooks
from handrail.core.errors import HandlerFault
from handrail.core.script import unload
from handrail.core.slots import Moment
from handrail.core.whole_model import Start
from handrail.resolve import Program

from handrail_container.engine.backend import Backend
from handrail_container.gate.gate import Gate, InFlight
from handrail_container.process.report import refusal, say
from handrail_container.process.threads import in_thread
from handrail_container.program import requirements
from handrail_container.program.adoption.record import Adoption
from handrail_container.program.load import load_program
from handrail_container.routes import openapi, table
from handrail_container.routes.described_paths import ApiSource
from handrail_container.routes.endpoint import Routes
from handrail_container.server import adopted
from handrail_container.server.teardown import Teardown
from handrail_container.settings.environment import masked
from handrail_container.settings.fields import Settings

logger = logging.getLogger("handrail")

T = TypeVar("T")

_POLL_S = 0.05
#: Seconds that a hook has to finish after it was cancelled.
_HEED_S = 0.5


class StartRefused(Exception):
    """The program cannot be served; `faults` are the reasons."""

    def __init__(self, *faults: HandlerFault) -> None:
        super().__init__(*map(str, faults))
        self.faults = faults


class Serving:
    """Starts, reloads and ends one application's handlers. The engine's own routes are at `engine_url`."""

    def __init__(
        self,
        settings: Settings,
        gate: Gate,
        backend: Backend,
        app: FastAPI,
        engine_url: str,
        adoption: Adoption | None = None,
    ) -> None:
        self._settings = settings
        self._engine_url = engine_url
        self._gate = gate
        self._backend = backend
        self._app = app
        self._program: Program | None = None
        self._begun = Teardown()
        self._adoption = adoption
        #: The parts of a program that have started before the engine.
        self._ahead: Teardown | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._is_ending = False

    async def begin(self, program: Program) -> None:
        """Run the start-up hooks, load the Model, and let requests through to the handlers. Raises StartRefused.

        If the program cannot be served, or the start is cancelled, the parts that have begun are ended first.
        """
        self._app.state.engine_client = self._backend.client
        self._backend.facade.most_objects = self._settings.max_json_objects
        begun, self._ahead = self._ahead, None
        if begun is None:
            begun = Teardown()
            routes = await self._or_ended(self._routed_and_started(program, begun), begun)
        else:
            routes = await self._or_ended(self._routes(program), begun)
        openapi.set_source(self._app, ApiSource(program, self._backend.routes_by_payload, self._settings.model_routes))
        self._gate.open(self._app, routes)
        self._program, self._begun = program, begun

    async def start(self, program: Program) -> None:
        """Run the start-up hooks and load the Models of a program that builds the engine; `begin` follows once that
        runs. Raises StartRefused."""
        self._ahead = begun = Teardown()
        await self._or_ended(self._start_parts(program, begun), begun)

    async def abandon(self) -> None:
        """End the parts that `start` has started, if `begin` will not follow."""
        begun, self._ahead = self._ahead, None
        if begun is not None:
            await begun.run()

    async def _or_ended(self, step: Coroutine[Any, Any, T], begun: Teardown) -> T:
        """Await a step of the start; if it fails, the parts that have begun are ended. Raises StartRefused."""
        try:
            return await step
        except BaseException as error:  # a Model may raise anything, and a stop of the server cancels this
            self._ahead = None
            await begun.run()
            if isinstance(error, HandlerFault):
                raise StartRefused(error) from error
            raise

    def find_engine(self) -> adopted.Found:
        """What engine the loaded program builds, where its files say. Raises StartRefused."""
        found = adopted.find(self._adoption, self._settings)
        self._require_engine()
        self._gate.names_asker = found.builds_engine
        if found.builds_engine:
            adopted.widen_threads()
        return found

    def _require_engine(self) -> None:
        """Raises StartRefused for what a script was refused, although it may have caught that."""
        if refused := self._refused():
            raise StartRefused(*refused)

    def _refused(self) -> list[HandlerFault]:
        return self._adoption.faults if self._adoption is not None else []

    async def _routes(self, program: Program) -> Routes:
        return table.routes(self._app, self._backend, program, self._settings, self._gate)

    async def _routed_and_started(self, program: Program, begun: Teardown) -> Routes:
        routes = await self._routes(program)
        await self._start_parts(program, begun)
        return routes

    async def _start_parts(self, program: Program, begun: Teardown) -> None:
        """Start each part, and push the step that ends it to `begun`. Raises HandlerFault."""
        if program.own_loop is not None:
            self._backend.facade.home = asyncio.get_running_loop()
            begun.push("the script's event loop", program.own_loop.stop, STOP_S + _HEED_S)
        starting = program.hooks[Moment.STARTUP]
        await hooks.start(starting[:1], self._app)
        for hook in program.hooks[Moment.SHUTDOWN]:
            begun.push(hooks.named(hook), partial(hooks.stop, (hook,), self._app), hooks.STOP_S + _HEED_S)
        await hooks.start(starting[1:], self._app)
        for model in program.models:
            await model.start(Start(self._backend.facade, self._engine_url))
            begun.push(f"the {model.title}", model.stop, model.stop_s)
        self._require_engine()

    async def end(self) -> None:
        """Run shutdown hooks in reverse, replaced programs first. Precondition: `begin` succeeded."""
        self._is_ending = True
        await asyncio.gather(*self._leaving)
        await self._begun.run()

    async def _leave(self, begun: Teardown, requests: InFlight) -> None:
        """End a replaced program once its last request is answered, or `drain_s` is over."""
        deadline = time.monotonic() + self._settings.drain_s
        while requests.count and not self._is_ending and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
        await begun.run()

    async def reload(self) -> None:
        """Serve the files as they are now; if they cannot be served, report it and keep the present program.

        Precondition: `begin` succeeded.
        """
        began = time.monotonic()
        before, requests, begun = unload(self._settings.model_path), self._gate.requests, self._begun
        try:
            if self._adoption is not None:
                self._adoption.begin_anew()
            program = await in_thread(lambda: load_program(self._settings), "reload")
            if program.faults:
                raise StartRefused(*self._refused(), *program.faults)
            self.find_engine()
            await self.begin(program)
        except BaseException as error:
            unload(self._settings.model_path)
            sys.modules.update(before)
            if isinstance(error, asyncio.CancelledError):
                raise
            self._refuse(error)
            await self._say_what_is_not_installed()
            return
        self._gate.lifecycle.reloads["ok"] += 1
        logger.info("reloaded in %.2f s", time.monotonic() - began)
        adopted_engines = self._adoption.sentences() if self._adoption is not None else []
        for sentence in (*program.sentences(), *adopted_engines):
            logger.info("%s", sentence)
        leaving = asyncio.create_task(self._leave(begun, requests))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await self._say_what_is_not_installed()

    async def _say_what_is_not_installed(self) -> None:
        """Log requirements that are missing: a reload installs none, as requests may be using the packages."""
        lines = await in_thread(lambda: requirements.not_installed(self._settings), "requirements")
        if lines:
            wanted = masked(", ".join(map(str, lines)))
            logger.warning("requirements are installed when the server starts: restart it to install %s", wanted)

    def _refuse(self, error: BaseException) -> None:
        """Report an edit that cannot be served. It does not end the server, even if Handrail is at fault."""
        self._gate.lifecycle.reloads["refused"] += 1
        if isinstance(error, StartRefused):
            say(self._settings.redactor(refusal((), error.faults)))
        else:
            logger.error("a bug in Handrail: the edit cannot be served", exc_info=error)
        logger.warning("the edit was refused; the handlers from before go on answering")
