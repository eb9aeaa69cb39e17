"""The vLLM engine as the server sees it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import uuid
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from handrail.core.engine import Engine

from handrail_container.engine.grammars import (
    RequestBounds,
    require_few,
    require_few_logprobs,
    without_prompt_logprobs,
)
from handrail_container.engine.log_probabilities import of_prompt
from handrail_container.engine.texts import bound_texts, most_characters
from handrail_container.engine.turns import Turns
from handrail_container.engine.vllm import arguments, build, prespawned, processes, refusals, root_cause, routes
from handrail_container.engine.vllm.adoption.host import Host
from handrail_container.engine.vllm.adoption.install import Adopter
from handrail_container.engine.vllm.constraints import Constraints
from handrail_container.engine.vllm.facade import VllmEngine
from handrail_container.engine.vllm.liveness import Progress
from handrail_container.engine.vllm.lora import VllmAdapters
from handrail_container.engine.vllm.names import vllm
from handrail_container.engine.vllm.places import Places
from handrail_container.engine.vllm.prespawned import Spare
from handrail_container.process.exits import EngineDeadError, EngineStartError, SettingsError, StartError
from handrail_container.process.garbage import collection_paused, freeze_objects
from handrail_container.process.threads import in_thread
from handrail_container.program.adoption.arrival import Running
from handrail_container.program.adoption.record import Adoption
from handrail_container.program.engine_config import merged
from handrail_container.settings.vllm_flags import engine_flags

log = logging.getLogger(__name__)

#: Requests of one body that are handed to the engine in one turn of the event loop: each takes a millisecond at most.
_A_TURN = 8
#: Seconds that vLLM waits for its processes to end by themselves; then they are killed.
_GRACE_S = 2.0


class VllmBackend:
    name = "vllm"

    def __init__(
        self,
        model: str | SettingsError,
        flags: Mapping[str, str],
        stall_s: float = 120,
        *,
        is_strict: bool = False,
        bounds: RequestBounds = RequestBounds(),  # noqa: B008  a tuple
    ) -> None:
        """`model` is a directory or a hub id, or why there is none: the script may still name one. `flags` are the
        `SM_VLLM_*` variables; `stall_s` seconds without progress
        while requests run count as a hang; `is_strict` makes the facade refuse names of models that are not served;
        `bounds` limits a single request.
        """
        self._others = processes.running()
        self.client: Any = None
        self.adapters = VllmAdapters()
        self._engine = VllmEngine(self.adapters, is_strict=is_strict)
        self._is_strict = is_strict
        self.facade: Engine = self._engine
        self.routes_by_payload: Mapping[str, str] = {}
        self.direct_paths: tuple[str, ...] = ()
        self.variables: Mapping[str, str] = {}
        self._model = model
        self._flags = dict(flags)
        self._stall_s = stall_s
        self._bounds = bounds
        self._progress: Progress | None = None
        self._args = Namespace()  # until `prepare`
        self._tasks: tuple[str, ...] = ()
        self._stopped = False
        self._spare: Spare | None = None
        self._adopter: Adopter | None = None
        self._adoption: Adoption | None = None
        self._directory = Path(tempfile.gettempdir(), f"handrail-{uuid.uuid4().hex}")  # made when the engine is built

    @property
    def _causes(self) -> Path:
        return self._directory / "causes.jsonl"

    @property
    def lacks_model(self) -> bool:
        return isinstance(self._model, SettingsError)

    def adopt(self, adoption: Adoption) -> None:
        self._adoption = adoption
        self._adopter = Adopter(Host(adoption, self.adapters, self._engine, self._engine_args))
        self._adopter.install()

    def release(self) -> None:
        adopter, self._adopter = self._adopter, None
        if adopter is not None:
            adopter.uninstall()

    def ask(self, flags: Mapping[str, str]) -> None:
        asked = {name: value for name, value in flags.items() if name != "SM_VLLM_MODEL"}
        self._model = flags.get("SM_VLLM_MODEL", self._model)
        self._flags = merged(self._flags, asked)

    def _engine_args(self) -> Any:
        """vLLM's arguments as they are known before the engine starts."""
        if self._adoption is not None:
            self.ask(self._adoption.flags)
        return vllm("AsyncEngineArgs").from_cli_args(self._parsed())

    def _parsed(self) -> Namespace:
        if isinstance(self._model, SettingsError):
            raise self._model
        return arguments.parse(self._model, self._flags)

    def anticipate(self) -> None:
        if not self._stopped:
            self._spare = prespawned.start(self._flags)

    def prepare(self) -> None:
        with collection_paused():
            self._args, self.variables = self._parsed(), arguments.variables()

    async def start(self, app: FastAPI) -> None:
        try:
            self.client = await in_thread(self._build, "engine-build")
            self._progress = Progress(self.client, self._stall_s)
            await build.adopt(self.client)
            self._bound_requests(self.client)
            _keep_last_slot_empty(self.client)
            self._tasks = await self.client.get_supported_tasks()
            await routes.attach(app, self.client, self._args, self._tasks)
        except build.ConfigRefused as refused:
            raise self._config_error(refused.__cause__ or refused) from refused.__cause__
        except Exception as error:  # any exception of vLLM's is a failed start
            raise self._start_error(error) from error
        self.routes_by_payload = routes.routes_by_payload(app)
        self.direct_paths = () if self._args.enable_server_load_tracking else routes.DIRECT
        self._engine.attach(self.client, app.state, self.variables)
        self.adapters.attach(
            self.client, app.state.openai_serving_models, app.state.online_renderer, is_strict=self._is_strict
        )
        if self._adoption is not None:
            length = str(self.client.model_config.max_model_len)
            flags = {**self._flags, "SM_VLLM_MODEL": str(self._model), "SM_VLLM_MAX_MODEL_LEN": length}
            self._adoption.engine_runs_with(flags)
            self._adoption.arrival.come(Running(self.client, asyncio.get_running_loop(), self._tasks))

    def _bound_requests(self, client: Any) -> None:
        """Refuse requests over the bounds. Requests of every route and of user code pass through the engine client."""
        generate, add, most = client.generate, client.add_request, self._bounds
        constraints, turns = Constraints(client, most.grammar), Turns(_A_TURN)
        has_slots = _has_slots_on_cpu(client)

        def bounded(prompt: Any, params: Any, *given: Any, **named: Any) -> Any:
            require_few(getattr(params, "n", None), most.answers)
            require_few_logprobs(of_prompt(params, _tokens(prompt)), most.logprobs)
            if has_slots:
                params = without_prompt_logprobs(params)
            return constraints.followed(generate(prompt, params, *given, **named), params)

        async def add_in_turn(request_id: str, prompt: Any, params: Any, *given: Any, **named: Any) -> Any:
            await constraints.validate(params)
            await turns.take()
            return await add(request_id, prompt, params, *given, **named)

        client.generate, client.add_request = bounded, add_in_turn
        self._engine.bounds = most
        self._engine.most_text = most_characters(most.text, client.model_config.max_model_len)
        bound_texts(client.renderer, self._engine.most_text)

    def _build(self) -> Any:
        self._directory.mkdir(mode=0o700)
        client = build.build(self._args, self._causes, lambda: not self._stopped, self._spare)
        if self._stopped:
            self._end(client)
            raise InterruptedError("stopped while it was starting")
        return client

    async def warm_up(self) -> None:
        try:
            if "generate" in self._tasks:
                await self._first(self.client.generate, vllm("SamplingParams")(max_tokens=1))
            elif task := routes.pooling_task(self.client, self._tasks):
                await self._first(self.client.encode, vllm("PoolingParams")(task=task))
        except Exception as error:  # any exception of vLLM's means that it does not answer
            raise self._start_error(error) from error
        freeze_objects()

    async def _first(self, ask: Callable[..., Any], params: Any) -> None:
        prompt = await self._engine.rendered({"prompt_token_ids": [1]})
        async with aclosing(ask(prompt, params, f"warm-up-{uuid.uuid4().hex}")) as outputs:
            async for _ in outputs:
                pass

    def _config_error(self, error: BaseException) -> StartError:
        """SettingsError if vLLM's reason names flags that were set; else the model or the machine is at fault."""
        flags = engine_flags(self._flags)
        if names := refusals.flags_in_message(flags, error):
            return SettingsError(refusals.refused(flags, names, error))
        return self._start_error(error)

    def _start_error(self, error: BaseException) -> EngineStartError:
        cause = root_cause.start_failure(error, self._causes, self.client)
        return EngineStartError(f"vLLM cannot serve {self._model!r}: {cause}")

    async def check_health(self) -> None:
        if self.client is None or self._stopped:
            raise EngineDeadError("the engine is not running")
        if self.client.errored:
            raise EngineDeadError(f"the engine died: {root_cause.cause_of_death(self.client, self._causes)}")
        if self._progress is not None and await self._progress.is_stalled():
            raise EngineDeadError(
                f"the engine hangs: requests run, and nothing came of it for {self._stall_s:g} s (HANDRAIL_STALL_S)"
            )

    async def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self.release()
        client, self.client = self.client, None
        if client is not None:
            _cancel_output_handler(client)
        await in_thread(lambda: self._end(client), "engine-end")

    def _end(self, client: Any) -> None:
        if client is not None:
            client.shutdown(timeout=_GRACE_S)
        processes.kill(self._others)
        shutil.rmtree(self._directory, ignore_errors=True)


def _tokens(prompt: Any) -> int:
    """The number of tokens of a prompt that vLLM has rendered; 0 if it is of another form."""
    decoder = prompt.get("decoder_prompt", prompt) if isinstance(prompt, Mapping) else {}
    return len(decoder.get("prompt_token_ids") or ())


def _keep_last_slot_empty(client: Any) -> None:
    """On a CPU, keep the last LoRA slot empty, the one that `arguments.py` added."""
    if _has_slots_on_cpu(client):
        Places(client, client.vllm_config.lora_config.max_loras - 1)


def _has_slots_on_cpu(client: Any) -> bool:
    return client.vllm_config.lora_config is not None and bool(vllm("current_platform").is_cpu())


def _cancel_output_handler(client: Any) -> None:
    """Cancel vLLM's output handler, which would report the end of its process as a crash. While requests are
    unfinished it stays: it has to fail them."""
    if client.output_handler is not None and not client.output_processor.get_num_unfinished_requests():
        client.output_handler.cancel()
