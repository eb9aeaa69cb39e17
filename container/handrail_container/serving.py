"""The program that is being served, and its replacement by the next one: the engine is never touched."""

from __future__ import annotations

import asyncio
import logging
import sys
import time

from fastapi import FastAPI
from handrail import hooks
from handrail.errors import HandlerFault
from handrail.resolve import Program
from handrail.script import unload
from handrail.slots import Moment

from handrail_container import app as composition
from handrail_container import routing
from handrail_container.engine import Backend
from handrail_container.gate import Gate, InFlight
from handrail_container.metrics import reloads
from handrail_container.report import refusal, say
from handrail_container.settings import Settings
from handrail_container.threads import in_thread

logger = logging.getLogger("handrail")

_POLL_S = 0.05


class Refused(Exception):
    """The program cannot be served: its faults."""

    def __init__(self, *faults: HandlerFault) -> None:
        super().__init__(*map(str, faults))
        self.faults = faults


class Serving:
    """One application's handlers: begun, replaced after edits, ended. The engine's own routes are at `engine_url`."""

    def __init__(self, settings: Settings, gate: Gate, backend: Backend, app: FastAPI, engine_url: str) -> None:
        self._settings = settings
        self._engine_url = engine_url
        self._gate = gate
        self._backend = backend
        self._app = app
        self._program: Program | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def begin(self, program: Program) -> None:
        """Run the start-up hooks, load the Model, and let requests through to the handlers. Raises Refused."""
        self._app.state.engine_client = self._backend.client
        self._backend.facade.most_objects = self._settings.max_json_objects
        try:
            routes = routing.routes(self._app, self._backend, program, self._settings, self._gate)
            await hooks.start(program.hooks[Moment.STARTUP], self._app)
            if program.model is not None:
                await program.model.start(self._backend.facade)
            if program.definition is not None:
                await program.definition.start(composition.runner(program.definition, self._settings, self._engine_url))
        except HandlerFault as fault:
            raise Refused(fault) from fault
        self._gate.open(self._app, routes)
        self._program = program

    async def end(self) -> None:
        """Run the shutdown hooks, the last first, after those of programs it replaced; it has begun."""
        assert self._program is not None
        await asyncio.gather(*self._leaving)
        await self._stop(self._program)

    async def _leave(self, program: Program, requests: InFlight) -> None:
        """Run a replaced program's shutdown hooks once its last request is answered, or the drain's time is over."""
        deadline = time.monotonic() + self._settings.drain_s
        while requests.count and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
        await self._stop(program)

    async def _stop(self, program: Program) -> None:
        if program.definition is not None:
            await program.definition.stop()
        await hooks.stop(program.hooks[Moment.SHUTDOWN], self._app)

    async def reload(self) -> None:
        """Serve the files as they are now; where they are broken, say so and go on as before. It has begun."""
        assert self._program is not None
        began = time.monotonic()
        before, old, requests = unload(self._settings.model_path), self._program, self._gate.requests
        try:
            program = await in_thread(lambda: composition.load_program(self._settings), "reload")
            if program.faults:
                raise Refused(*program.faults)
            await self.begin(program)
        except Refused as refused:
            unload(self._settings.model_path)
            sys.modules.update(before)
            reloads.labels("refused").inc()
            say(self._settings.redactor(refusal((), refused.faults)))
            logger.warning("the edit was refused; the handlers from before go on answering")
            return
        reloads.labels("ok").inc()
        logger.info("reloaded in %.2f s", time.monotonic() - began)
        for sentence in program.sentences():
            logger.info("%s", sentence)
        leaving = asyncio.create_task(self._leave(old, requests))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
