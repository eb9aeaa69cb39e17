"""The methods of vLLM's `AsyncLLM` over the server's engine, on the server's event loop and on others."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from handrail_container.engine.vllm.adoption import refused
from handrail_container.engine.vllm.adoption.hops import Hopped, hop
from handrail_container.engine.vllm.adoption.host import Host
from handrail_container.engine.vllm.adoption.old_forms import AddedRequest, InnerEngine, awaitable
from handrail_container.engine.vllm.adoption.ours import called_at
from handrail_container.engine.vllm.adoption.requests import cause_of
from handrail_container.engine.vllm.adoption.sampling import tokenization
from handrail_container.engine.vllm.names import vllm
from handrail_container.program.adoption.arrival import Running
from handrail_container.program.adoption.record import AdoptionRefused


class AdoptedAsync:
    """The methods that differ; the others are vLLM's, or are awaited on the engine's loop."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._adapters = host.loaded()
        self._running: dict[str, set[str]] = {}
        self._given_up: str | None = None
        self._copy: Any = None

    def __getattr__(self, name: str) -> Any:
        """Attributes of the engine, such as `model_config`, `renderer` and `vllm_config`."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name == "model_config" and self._host.is_early:
            return self._host.preview().model_config
        return getattr(self._use().client, name)

    def __del__(self) -> None:
        """The engine is the server's: it goes on."""

    @property
    def engine(self) -> Any:
        """vLLM before 0.6 had its parts in here: the tokenizer, the model's configuration."""
        return InnerEngine(self)

    @property
    def tokenizer(self) -> Any:
        return self.get_tokenizer()

    def get_tokenizer(self, lora_request: Any = None) -> Any:
        """A copy, which may be awaited, as in vLLM before 0.11."""
        if self._copy is None:
            early = self._host.is_early
            given = self._host.preview().tokenizer() if early else copy.deepcopy(self._use().client.get_tokenizer())
            self._copy = awaitable(given)
        return self._copy

    async def get_model_config(self) -> Any:
        return (await self._awaited()).client.model_config

    async def get_vllm_config(self) -> Any:
        return (await self._awaited()).client.vllm_config

    async def get_lora_config(self) -> Any:
        return (await self.get_vllm_config()).lora_config

    async def get_decoding_config(self) -> Any:
        return (await self.get_vllm_config()).structured_outputs_config

    def generate(
        self,
        prompt: Any = None,
        sampling_params: Any = None,
        request_id: Any = None,
        *,
        inputs: Any = None,
        prompt_token_ids: Any = None,
        **named: Any,
    ) -> Any:
        """As vLLM's; `inputs` and `prompt_token_ids` are the prompt's names in older versions."""
        return self._asked("generate", _prompt(prompt, inputs, prompt_token_ids), sampling_params, request_id, named)

    def encode(
        self,
        prompt: Any = None,
        pooling_params: Any = None,
        request_id: Any = None,
        *,
        inputs: Any = None,
        **named: Any,
    ) -> Any:
        return self._asked("encode", _prompt(prompt, inputs, None), pooling_params, request_id, named)

    def add_request(
        self, request_id: str, prompt: Any = None, params: Any = None, *, inputs: Any = None, **named: Any
    ) -> Any:
        """Start a request. The result can be awaited, and iterated for the outputs."""
        named.pop("arrival_time", None)
        method = "encode" if isinstance(params, vllm("PoolingParams")) else "generate"
        return AddedRequest(self._asked(method, _prompt(prompt, inputs, None), params, request_id, named))

    async def abort(self, request_id: str | Iterable[str], internal: bool = False) -> None:
        """Only requests of this object: ids may be those of others."""
        ids = [request_id] if isinstance(request_id, str) else list(request_id)
        external = [one for asked in ids for one in self._running.get(asked, ())]
        if external:
            await self._on_loop(lambda client: client.abort(external))

    async def check_health(self) -> None:
        await self._on_loop(lambda client: client.check_health())

    async def add_lora(self, lora_request: Any) -> bool:
        where = called_at()
        await self._on_loop(lambda client: self._adapters.ready(where, lora_request))
        return True

    async def remove_lora(self, lora_id: int) -> bool:
        return self._adapters.forget(lora_id)

    async def pin_lora(self, lora_id: int) -> bool:
        return self._adapters.knows(lora_id)

    async def list_loras(self) -> set[int]:
        return self._adapters.numbers()

    async def reset_prefix_cache(self, *given: Any, **named: Any) -> bool:
        def reset(client: Any) -> Any:
            is_busy = client.output_processor.get_num_unfinished_requests()
            return _nothing() if is_busy else client.reset_prefix_cache(*given, **named)

        return bool(await self._on_loop(reset))

    async def reset_mm_cache(self) -> None:
        """The cache is shared by all requests: it stays."""

    async def do_log_stats(self, *given: Any) -> None:
        """The server logs."""

    def shutdown(self, timeout: float | None = None) -> None:
        """The object is given up; the engine goes on."""
        self._given_up = called_at()

    shutdown_background_loop = stop = shutdown

    def add_logger(self, *given: Any) -> None:
        """Raises AdoptionRefused."""
        refused.no_stat_loggers()

    def start_background_loop(self) -> None:
        """The server has started it."""

    def _asked(self, method: str, prompt: Any, params: Any, request_id: Any, named: Mapping[str, Any]) -> Any:
        """Raises TypeError for a call that lacks an argument, as vLLM's."""
        given = {"prompt": prompt, f"{'sampling' if method == 'generate' else 'pooling'}_params": params}
        missing = [name for name, value in {**given, "request_id": request_id}.items() if value is None]
        if missing:
            raise TypeError(f"{type(self).__name__}.{method}() missing required arguments: {', '.join(missing)}")
        where = called_at()
        self._require_use(where)
        return self._outputs(method, (prompt, params, str(request_id)), where, dict(named))

    async def _outputs(
        self, method: str, asked: tuple[Any, Any, str], where: str, named: dict[str, Any]
    ) -> AsyncIterator[Any]:
        prompt, params, request_id = asked
        running = await self._awaited()
        external = f"{request_id}-{uuid.uuid4().hex}"
        lora, named = named.pop("lora_request", None), _taken(named)
        if truncated := tokenization(params):
            named["tokenization_kwargs"] = {**truncated, **(named.get("tokenization_kwargs") or {})}

        async def ask() -> AsyncIterator[Any]:
            adapter = await self._adapters.ready(where, lora)
            asked = (prompt, params.clone(), external)
            async for output in self._host.outputs(method, asked, {"lora_request": adapter, **named}):
                yield output

        ids = self._running.setdefault(request_id, set())
        ids.add(external)
        outputs = ask() if asyncio.get_running_loop() is running.loop else Hopped(ask, running.loop)
        try:
            async with aclosing(outputs):  # type: ignore[type-var]  # both can be closed
                async for output in outputs:
                    output.request_id = request_id
                    yield output
        except Exception as error:
            cause = cause_of(error)
            if cause is error:
                raise
            raise cause from cause.__cause__
        finally:
            ids.discard(external)
            if not ids:
                self._running.pop(request_id, None)

    def _require_use(self, where: str) -> None:
        self._host.adoption.require_own_process(where)
        if self._given_up:
            raise AdoptionRefused(f"{where} the engine was given up at {self._given_up}")

    def _use(self) -> Running:
        self._require_use(called_at())
        return self._host.use()

    async def _awaited(self) -> Running:
        return await self._host.adoption.arrival.awaited()

    async def _on_loop(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        self._require_use(called_at())
        running = await self._awaited()
        return await hop(lambda: ask(running.client), running.loop)


async def _nothing() -> bool:
    return False


def _prompt(prompt: Any, inputs: Any, token_ids: Any) -> Any:
    given = prompt if prompt is not None else inputs
    return {"prompt_token_ids": list(token_ids)} if given is None and token_ids is not None else given


def _taken(named: Mapping[str, Any]) -> dict[str, Any]:
    """The named arguments, without those of older versions that say nothing."""
    return {name: value for name, value in named.items() if name != "prompt_adapter_request" or value is not None}
