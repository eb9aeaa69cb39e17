"""vLLM's blocking `LLMEngine` over the server's engine: what `LLM` and scripts call of it."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from handrail_container.engine.vllm.adoption import refused
from handrail_container.engine.vllm.adoption.classes import made
from handrail_container.engine.vllm.adoption.host import Host
from handrail_container.engine.vllm.adoption.ours import called_at
from handrail_container.engine.vllm.adoption.requests import RequestSet, current_requests
from handrail_container.engine.vllm.names import vllm

#: Methods of LLMEngine that stop or change the engine for everybody.
_REFUSED = (
    *("sleep", "wake_up", "release_kv_cache_memory", "start_profile", "stop_profile", "collective_rpc", "apply_model"),
    *("set_weight_version", "reset_encoder_cache"),
)


class Bridge:
    """The methods and attributes; `over` makes an instance of vLLM's class of them. A use waits for the engine."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._adapters = host.loaded()
        self._own: RequestSet | None = None  # of `add_request` outside of a call of `LLM`
        self._copy: Any = None
        self.log_stats = True

    @property
    def _client(self) -> Any:
        return self._host.use().client

    def __getattr__(self, name: str) -> Any:
        """Attributes such as `model_config`, `vllm_config` and `input_processor` are the engine's."""
        if name.startswith("_") or name == "model_executor":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._client, name)

    def __del__(self) -> None:
        """The engine is the server's: nothing is freed with this object."""

    @property
    def renderer(self) -> Any:
        return self._client.renderer

    @property
    def tokenizer(self) -> Any:
        return self.get_tokenizer()

    def get_tokenizer(self) -> Any:
        """A copy: what the script changes of it is not changed for the server."""
        if self._copy is None:
            self._copy = copy.deepcopy(self._client.get_tokenizer())
        return self._copy

    def on_loop(self, ask: Callable[[], Any]) -> Any:
        """What a coroutine of the engine's gives; this thread waits for it. Raises AdoptionRefused on the engine's
        loop."""
        self._host.require_thread()

        async def asked() -> Any:
            return await ask()

        return asyncio.run_coroutine_threadsafe(asked(), self._host.loop).result()

    @property
    def _requests(self) -> RequestSet:
        if self._own is None:
            self._own = RequestSet(self._host.loop)
        return current_requests() or self._own

    def add_request(
        self,
        request_id: str,
        prompt: Any,
        params: Any,
        arrival_time: float | None = None,
        lora_request: Any = None,
        tokenization_kwargs: Mapping[str, Any] | None = None,
        trace_headers: Mapping[str, str] | None = None,
        priority: int = 0,
        **more: Any,
    ) -> str:
        """As vLLM's. What vLLM refuses is raised by the next `step`."""
        if not isinstance(request_id, str):
            raise TypeError(f"request_id must be a string, got {type(request_id)}")
        where, params = called_at(), params.clone()
        external = f"{request_id}-{uuid.uuid4().hex}"
        optional = {"tokenization_kwargs": tokenization_kwargs, "trace_headers": trace_headers}
        given = {name: value for name, value in optional.items() if value is not None}

        def ask() -> AsyncIterator[Any]:
            return self._asked(prompt, params, external, (where, lora_request), priority=priority, **more, **given)

        self._requests.add(request_id, ask)
        return request_id

    async def _asked(
        self, prompt: Any, params: Any, external: str, adapter: tuple[str, Any], **named: Any
    ) -> AsyncIterator[Any]:
        lora = await self._adapters.ready(*adapter)
        method = "encode" if isinstance(params, vllm("PoolingParams")) else "generate"
        async for output in self._host.outputs(method, (prompt, params, external), {"lora_request": lora, **named}):
            yield output

    def step(self) -> list[Any]:
        self._host.require_thread()
        return self._requests.step()

    def abort_request(self, request_ids: Any, internal: bool = False) -> None:
        self._requests.abort([request_ids] if isinstance(request_ids, str) else list(request_ids))

    def has_unfinished_requests(self) -> bool:
        return bool(self._requests.count)

    def get_num_unfinished_requests(self) -> int:
        return self._requests.count

    def get_model_config(self) -> Any:
        return self._client.model_config

    def get_supported_tasks(self) -> Any:
        return self._host.use().tasks

    def reset_prefix_cache(self, *given: Any, **named: Any) -> bool:
        if self._client.output_processor.get_num_unfinished_requests():
            return False
        return bool(self.on_loop(lambda: self._client.reset_prefix_cache(*given, **named)))

    def reset_mm_cache(self) -> None:
        """The cache is shared by all requests: it stays."""

    def do_log_stats(self) -> None:
        """The server logs."""

    def add_lora(self, lora_request: Any) -> bool:
        where = called_at()
        self.on_loop(lambda: self._adapters.ready(where, lora_request))
        return True

    def remove_lora(self, lora_id: int) -> bool:
        return self._adapters.forget(lora_id)

    def pin_lora(self, lora_id: int) -> bool:
        return self._adapters.knows(lora_id)

    def list_loras(self) -> set[int]:
        return self._adapters.numbers()


def over(host: Host, base: type) -> Any:
    """An object of vLLM's `LLMEngine`, or of the script's subclass of it, over the server's engine."""
    bridge = made(base, vllm("LLMEngine"), Bridge, _methods)
    Bridge.__init__(bridge, host)
    return bridge


def _methods() -> dict[str, Any]:
    return {name: refused.method(name) for name in _REFUSED if hasattr(vllm("LLMEngine"), name)}
