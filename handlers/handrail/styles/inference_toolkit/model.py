"""A script of the toolkit as a whole model of the server: checked, loaded and called."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from handrail.adoption.text import read
from handrail.core.blocking import BlockingEngine
from handrail.core.calling import Handler
from handrail.core.errors import LoadFailed
from handrail.core.hooks import is_cancelled
from handrail.core.slots import Slot
from handrail.core.tracebacks import fault_line, message_of, user_traceback
from handrail.core.whole_model import Problem, Start, WholeModel
from handrail.styles.inference_toolkit.decoding import TAKEN, LibraryMissing
from handrail.styles.inference_toolkit.flow import ToolkitFlow
from handrail.styles.inference_toolkit.functions import Function
from handrail.styles.inference_toolkit.stand_in import problem_of
from handrail.styles.inference_toolkit.surroundings import ToolkitSurroundings

if TYPE_CHECKING:
    from handrail.core.contract import Contract

#: Requests that run at once in threads where SAGEMAKER_MODEL_SERVER_WORKERS is not set: vLLM's usual batch.
THREADS = 256
_GPU = Path("/dev/nvidia0")


class ToolkitModel(WholeModel):
    """`answering` is the function whose errors are the handler's, among `functions`."""

    title = "Toolkit"
    stage = "model_fn"
    loading = "the model of the script is loading"

    def __init__(
        self,
        script: Path,
        model_path: Path,
        functions: Mapping[str, Function],
        answering: Function,
        surroundings: ToolkitSurroundings,
    ) -> None:
        self._script = script
        self._model_path = model_path
        self._functions = functions
        self._surroundings = surroundings
        self._flow = ToolkitFlow(functions, surroundings.workers, surroundings.default_accept)
        handler = Handler(answering.function, answering.signature, self._flow.app, self._flow.part_of)
        self.handlers = {Slot.INVOCATION: handler}

    async def start(self, start: Start) -> None:
        """Load the model. Raises LoadFailed."""
        limiter = to_thread.current_default_thread_limiter()
        limiter.total_tokens = max(limiter.total_tokens, self._surroundings.workers or THREADS)
        engine = BlockingEngine(start.engine, asyncio.get_running_loop())
        try:
            await self._flow.begin(engine, self._properties())
        except BaseException as error:  # a script may raise anything
            if is_cancelled(error):
                raise
            raise LoadFailed(
                f"{fault_line(error, self._script)} {self._flow.part_of(error).name} failed: "
                f"{type(error).__name__}: {message_of(error)}",
                user_traceback(error, self._script.parent),
            ) from error

    def _properties(self) -> dict[str, Any]:
        return {
            "model_dir": str(self._model_path),
            "gpu_id": 0 if _GPU.exists() else None,
            "batch_size": 1,
            "server_name": "Handrail",
            "server_version": version("handrail"),
        }

    def explain(self, error: BaseException) -> Problem | None:
        if isinstance(error, LibraryMissing):
            return Problem(500, str(error), "handler_error")
        return problem_of(error)

    def contract(self) -> Contract:
        """What the answering function returns says little: it may be encoded, or go through `output_fn`."""
        from handrail.core.contract import ANYTHING, contract_of  # imports FastAPI's OpenAPI, rarely needed

        contract = contract_of(self.handlers[Slot.INVOCATION], Slot.INVOCATION.path)
        kinds = TAKEN if {"input_fn", "transform_fn"}.isdisjoint(self._functions) else ("*/*",)
        contract.operation["requestBody"] = {"content": dict.fromkeys(kinds, ANYTHING)}
        contract.operation["responses"]["200"]["content"] = {"*/*": ANYTHING}
        return contract

    def rows(self) -> list[str]:
        return [
            f"SageMaker's inference toolkit: {self._script}",
            *(f"{one.signature.text}  {one.signature.where}" for one in self._functions.values()),
            f"model: {self._loaded()}",
            f"requests at a time: {self._at_a_time()}",
        ]

    def _loaded(self) -> str:
        if "model_fn" not in self._functions:
            return "Handrail's engine, in its blocking form (model.chat, model.generate, model.embed)"
        if read([self._script]).constructions:
            return "what model_fn returns; a vLLM engine that the script builds is this server's"
        beside = ". The engine runs beside it: HANDRAIL_ENGINE=none, if nothing asks it"
        return f"what model_fn returns{beside if self._surroundings.has_engine else ''}"

    def _at_a_time(self) -> str:
        workers = self._surroundings.workers
        if workers is None:
            return f"no bound of the script's own, in {THREADS} threads; SAGEMAKER_MODEL_SERVER_WORKERS bounds them"
        return f"{workers} (SAGEMAKER_MODEL_SERVER_WORKERS)"

    def data(self) -> dict[str, Any]:
        return {
            "script": str(self._script),
            "functions": {name: one.signature.data() for name, one in self._functions.items()},
            "has_own_model": "model_fn" in self._functions,
            "workers": self._surroundings.workers,
        }
