"""A script for LMI as a whole model of the server: checked, loaded and called."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from handrail.core.blocking import BlockingEngine
from handrail.core.calling import Handler
from handrail.core.errors import LoadFailed
from handrail.core.hooks import is_cancelled
from handrail.core.presence import ClientLeft
from handrail.core.slots import Slot
from handrail.core.tracebacks import explain, fault_line, message_of, user_traceback
from handrail.core.whole_model import Problem, Start, WholeModel
from handrail.styles.inference_toolkit.decoding import LibraryMissing
from handrail.styles.inference_toolkit.model import THREADS
from handrail.styles.lmi.decoding import TAKEN
from handrail.styles.lmi.flow import LmiFlow
from handrail.styles.lmi.marks import HANDLE, INIT, PREDICTION, LmiFunction
from handrail.styles.lmi.surroundings import LmiSurroundings
from handrail.wrap.downstream import StreamCut

if TYPE_CHECKING:
    from handrail.core.contract import Contract

#: What the server answers by itself, whoever's script it is.
_NOT_THE_SCRIPTS = (HTTPException, ClientDisconnect, ClientLeft, StreamCut)


class LmiModel(WholeModel):
    """`answering` is the function whose errors are the handler's, among `functions`."""

    title = "LMI"
    stage = "init_handler"
    loading = "the model of the script is loading"

    def __init__(
        self,
        script: Path,
        model_path: Path,
        functions: Mapping[str, LmiFunction],
        answering: LmiFunction,
        surroundings: LmiSurroundings,
    ) -> None:
        self._script = script
        self._model_path = model_path
        self._functions = functions
        self._surroundings = surroundings
        self._flow = LmiFlow(functions, answering)
        handler = Handler(answering.function, answering.signature, self._flow.app, self._flow.part_of)
        self.handlers = {Slot.INVOCATION: handler}

    def meet_default(self, default: ASGIApp) -> None:
        self._flow.default = default

    async def start(self, start: Start) -> None:
        """Load the model. Raises LoadFailed."""
        limiter = to_thread.current_default_thread_limiter()
        limiter.total_tokens = max(limiter.total_tokens, THREADS)
        engine = BlockingEngine(start.engine, asyncio.get_running_loop())
        folder, options = str(self._model_path), self._surroundings.options
        model_id = options.get("model_id") or self._surroundings.model_id or folder
        properties = {**options, "model_dir": folder, "model_id": model_id}
        try:
            await self._flow.begin(engine, properties)
        except BaseException as error:  # a script may raise anything
            if is_cancelled(error):
                raise
            raise LoadFailed(
                f"{fault_line(error, self._script)} {self._flow.part_of(error).name} failed: "
                f"{type(error).__name__}: {message_of(error)}",
                user_traceback(error, self._script.parent),
            ) from error

    def explain(self, error: BaseException) -> Problem | None:
        status = 424 if self._surroundings.keeps_424 else 500
        if isinstance(error, LibraryMissing):
            return Problem(status, str(error), "handler_error")
        if status == 500 or isinstance(error, _NOT_THE_SCRIPTS):
            return None
        name, function = self._flow.part_of(error)
        raised = explain(error, function, self._model_path)
        said = f"{name} raised {raised.type}: {raised.message} ({raised.where})"
        return Problem(status, said, "handler_error", log=raised.traceback)

    def contract(self) -> Contract:
        """Of the answer nothing is known."""
        from handrail.core.contract import ANYTHING, contract_of  # imports FastAPI's OpenAPI, rarely needed

        contract = contract_of(self.handlers[Slot.INVOCATION], Slot.INVOCATION.path)
        contract.operation["requestBody"] = {"content": dict.fromkeys(TAKEN, ANYTHING)}
        contract.operation["responses"]["200"]["content"] = {"*/*": ANYTHING}
        return contract

    def rows(self) -> list[str]:
        return [
            f"DJL Serving's LMI: {self._script}",
            *(f"{name}: {one.signature.text}  {one.signature.where}" for name, one in self._functions.items()),
            f"answers: {self._answers()}",
            f"an exception of the script: {424 if self._surroundings.keeps_424 else 500}",
        ]

    def _answers(self) -> str:
        if HANDLE in self._functions:
            return "handle, and the engine where it returns None"
        if PREDICTION not in self._functions:
            return "the engine, by payload (prompt, messages, inputs)"
        model = "what init_handler returns" if INIT in self._functions else "Handrail's engine, in its blocking form"
        return f"prediction_handler; its model is {model}"

    def data(self) -> dict[str, Any]:
        return {
            "script": str(self._script),
            "functions": {name: one.signature.data() for name, one in self._functions.items()},
            "has_own_model": INIT in self._functions,
            "error_status": 424 if self._surroundings.keeps_424 else 500,
        }
