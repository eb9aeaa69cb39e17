"""A handler of Hugging Face's as a whole model of the server: checked, made and called."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from handrail.adoption.text import read
from handrail.core.blocking import BlockingEngine
from handrail.core.calling import Handler
from handrail.core.engine import Engine
from handrail.core.errors import LoadFailed
from handrail.core.hooks import is_cancelled
from handrail.core.slots import Slot
from handrail.core.tracebacks import fault_line, message_of, user_traceback
from handrail.core.whole_model import Problem, Start, WholeModel
from handrail.styles.endpoint_handler.decoding import PillowMissing
from handrail.styles.endpoint_handler.flow import EndpointFlow
from handrail.styles.endpoint_handler.inspection import HandlerClass
from handrail.styles.endpoint_handler.surroundings import EndpointSurroundings

if TYPE_CHECKING:
    from handrail.core.contract import Contract

SETTING = "HANDRAIL_ENDPOINT_HANDLER_CONCURRENCY"
_SHAPE: dict[str, Any] = {
    "type": "object",
    "properties": {"inputs": {}, "instances": {"type": "array"}, "parameters": {"type": "object"}},
    "anyOf": [{"required": ["inputs"]}, {"required": ["instances"]}],
}


class EndpointModel(WholeModel):
    title = "Handler"
    stage = "__init__"
    loading = "the handler is loading"
    unhealthy = "no request can be answered: calls of the handler do not end, and their requests are over"
    answers_root = True
    takes_instances = True

    def __init__(self, script: Path, model_path: Path, found: HandlerClass, surroundings: EndpointSurroundings) -> None:
        self._script = script
        self._model_path = model_path
        self._found = found
        self._surroundings = surroundings
        self._flow = EndpointFlow(found, surroundings.task, surroundings.concurrency)
        self.handlers = {Slot.INVOCATION: Handler(found.function, found.call, self._flow.app)}

    async def start(self, start: Start) -> None:
        """Make the handler. Raises LoadFailed."""
        limiter = to_thread.current_default_thread_limiter()
        limiter.total_tokens = max(limiter.total_tokens, self._surroundings.concurrency)
        try:
            await self._flow.begin(str(self._model_path.absolute()), self._given(start.engine))
        except BaseException as error:  # a script may raise anything
            if is_cancelled(error):
                raise
            raise LoadFailed(
                f"{fault_line(error, self._script)} {self._found.made.name} failed: "
                f"{type(error).__name__}: {message_of(error)}",
                user_traceback(error, self._script.parent),
            ) from error

    def _given(self, engine: Engine) -> dict[str, Any]:
        if not self._found.takes_engine or not self._surroundings.has_engine:
            return {}
        return {"engine": engine if self._found.is_async else BlockingEngine(engine, asyncio.get_running_loop())}

    async def is_healthy(self, *, is_fresh: bool = False) -> bool:
        return self._flow.stuck_s() <= self._surroundings.stall_s

    def explain(self, error: BaseException) -> Problem | None:
        return Problem(500, str(error), "handler_error") if isinstance(error, PillowMissing) else None

    def contract(self) -> Contract:
        from handrail.core.contract import ANYTHING, contract_of  # imports FastAPI's OpenAPI, rarely needed

        contract = contract_of(self.handlers[Slot.INVOCATION], Slot.INVOCATION.path)
        json_body = {"application/json": {"schema": _SHAPE}}
        contract.operation["requestBody"] = {"content": {**json_body, "image/*": ANYTHING, "audio/*": ANYTHING}}
        contract.operation["responses"]["200"]["content"] = {"*/*": ANYTHING}
        return contract

    def rows(self) -> list[str]:
        return [
            f"Hugging Face's Inference Endpoints: class {self._found.cls.__name__}, {self._script}",
            *(f"{one.text}  {one.where}" for one in (self._found.made, self._found.call)),
            f"engine: {self._engine()}",
            f"requests at a time: {self._surroundings.concurrency} ({self._raised()})",
        ]

    def _engine(self) -> str:
        if not self._surroundings.has_engine:
            return "none (HANDRAIL_ENGINE); what __init__ loads answers"
        if self._found.takes_engine:
            return "__init__ is given it" if self._found.is_async else "__init__ is given it, in its blocking form"
        if read([self._script]).constructions:
            return "a vLLM engine that the script builds is this server's"
        return (
            "it runs beside what __init__ loads: HANDRAIL_ENGINE=none, if nothing asks it; a parameter `engine` of "
            "__init__ gets it"
        )

    def _raised(self) -> str:
        if self._surroundings.concurrency > 1:
            return SETTING
        return f"as there; {SETTING} raises it, if __call__ may run in several threads at once"

    def data(self) -> dict[str, Any]:
        return {
            "script": str(self._script),
            "class": self._found.cls.__name__,
            "functions": {"__init__": self._found.made.data(), "__call__": self._found.call.data()},
            "takes_engine": self._found.takes_engine,
            "concurrency": self._surroundings.concurrency,
        }
