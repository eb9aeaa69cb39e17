"""LoRA adapters in vLLM, held by name in its own serving object, which all of its routes use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from fastapi import HTTPException

from handrail_container.engine.lora import HUB_ID, Adapters, asked, local, read_config
from handrail_container.engine.vllm.names import vllm
from handrail_container.process.threads import in_thread

T = TypeVar("T")

#: vLLM's text before the cause.
_CALL_FAILED = "method failed: "

#: What `huggingface_hub` sends as `model` to a URL, and what TGI's documentation has.
PLACEHOLDERS = frozenset({"dummy", "tgi"})


class VllmAdapters(Adapters):
    """Empty until `attach`, which the backend calls once the engine has started."""

    def __init__(self) -> None:
        super().__init__()
        self._client: Any = None
        self._models: Any = None
        self._adding = asyncio.Lock()
        self._loading_for_script = asyncio.Lock()

    def attach(self, client: Any, models: Any, renderer: Any, *, is_strict: bool = False) -> None:
        self._client, self._models = client, models
        if not is_strict:
            _accept_placeholders(models)
        preprocess_chat = renderer.preprocess_chat

        async def with_its_template(request: Any, messages: Any, **named: Any) -> Any:
            code = self.codes.get(request.model) if self.codes and request.model else None
            if code is not None and code.chat_template is not None:
                named["default_template"] = code.chat_template
            return await preprocess_chat(request, messages, **named)

        renderer.preprocess_chat = with_its_template

    def loaded(self) -> Mapping[str, str]:
        return {name: request.lora_path for name, request in self._models.lora_requests.items()}

    def is_base(self, name: str) -> bool:
        return bool(self._models.is_base_model(name))

    @property
    def finds_more(self) -> bool:
        """Whether a plugin of vLLM's resolves the names of adapters that are not loaded."""
        return bool(self._models.lora_resolvers)

    def knows(self, name: str) -> bool:
        return self.finds_more or super().knows(name)

    def running(self, name: str) -> int:
        states = self._client.output_processor.request_states.values()
        return sum(state.lora_name == name for state in states)

    def current_lora_request(self) -> Any:
        """vLLM's object for the adapter that the request was sent to; None for the base model."""
        name = asked.get()
        if name is None or self.is_base(name):
            return None
        if name not in self._models.lora_requests:
            raise HTTPException(404, f"there is no adapter {name!r} that is loaded")
        return self._models.lora_requests[name]

    async def of_script(self, name: str, path: str, other: str) -> Any:
        """vLLM's object for the adapter in the directory `path`, which is loaded if it is not. Its name is `name`, or
        `other` if that is the name of another directory's. Raises HTTPException."""
        known = self._models.lora_requests
        folder = str(local(path))
        for each in (name, other):
            if each in known and str(local(known[each].lora_path)) == folder:
                return known[each]
        chosen = other if name in known or self.is_base(name) else name
        async with self._loading_for_script:
            if chosen not in known:
                await self.load(chosen, path)
        return known[chosen]

    async def find(self, source: str) -> Path:
        lora = self._client.vllm_config.lora_config
        if lora is None:
            raise HTTPException(400, "vLLM was started without LoRA and takes no adapter: set SM_VLLM_ENABLE_LORA=true")
        folder = await in_thread(lambda: _directory(source), "adapter")
        config = await in_thread(lambda: read_config(folder, source), "adapter")
        rank, limit = config.get("r"), lora.max_lora_rank
        if isinstance(rank, int) and rank > limit:
            raise HTTPException(
                400, f"the adapter in {source!r} has rank {rank}, and vLLM takes {limit}: set SM_VLLM_MAX_LORA_RANK"
            )
        return folder

    async def add(self, name: str, folder: Path, source: str) -> None:
        async with self._adding:
            await self._forget()
            request = vllm("LoadLoRAAdapterRequest")(lora_name=name, lora_path=str(folder))
            _require_done(await self._models.load_lora_adapter(request), f"vLLM cannot load the adapter in {source!r}")

    async def _forget(self) -> None:
        """Remove from the engine's memory every adapter that no name and no request uses: parts of one that failed to
        load, and those that were in use when they were unloaded."""
        states = self._client.output_processor.request_states.values()
        wanted = [*self._models.lora_requests.values(), *(state.lora_request for state in states if state.lora_request)]
        numbers = {request.lora_int_id for request in wanted}
        there = set(await _alive(self._client.list_loras()))
        for number in there - numbers:
            await _alive(self._client.remove_lora(number))

    async def remove(self, name: str, *, is_idle: bool) -> None:
        """An idle adapter leaves the engine's memory at once, another when the next adapter is loaded."""
        number = self._models.lora_requests[name].lora_int_id
        request = vllm("UnloadLoRAAdapterRequest")(lora_name=name)
        _require_done(await self._models.unload_lora_adapter(request), f"vLLM cannot unload the adapter {name!r}")
        if is_idle:
            await _alive(self._client.remove_lora(number))


async def _alive(call: Awaitable[T]) -> T:
    try:
        return await call
    except vllm("EngineDeadError") as error:
        raise HTTPException(503, "the engine has died") from error


def _directory(source: str) -> Path:
    """The adapter's directory on this machine. A hub id that is no path is downloaded, as in vLLM, but not in the
    engine's process, which could not answer meanwhile."""
    folder = local(source)
    if not HUB_ID.fullmatch(source) or folder.is_dir():
        return folder
    try:
        return Path(vllm("get_adapter_absolute_path")(source))
    except Exception as error:  # any exception of the hub's client means that there is no adapter
        raise HTTPException(404, f"{source!r} is no directory, and the hub does not give it: {error}") from error


def _require_done(answer: Any, failure: str) -> None:
    if isinstance(answer, vllm("ErrorResponse")):
        cause = answer.error.message.rpartition(_CALL_FAILED)[2]
        raise HTTPException(answer.error.code, f"{failure}: {cause}")


def _accept_placeholders(models: Any) -> None:
    """Names that clients of Hugging Face and TGI write where one model is served mean that model."""
    is_base = models.is_base_model
    models.is_base_model = lambda name: is_base(name) or (name in PLACEHOLDERS and name not in models.lora_requests)
