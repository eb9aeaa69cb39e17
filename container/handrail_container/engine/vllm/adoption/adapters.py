"""The LoRA objects of a script: the server loads an adapter before the first request with it.

vLLM's engine dies of a request whose adapter cannot be loaded; here that is the request's own failure.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from fastapi import HTTPException

from handrail_container.engine.lora import HUB_ID
from handrail_container.engine.vllm.lora import VllmAdapters


class Loaded:
    """The adapters of one object of the script's. An adapter is known by its name and its directory: numbers of a
    script may be those of other adapters."""

    def __init__(self, adapters: VllmAdapters) -> None:
        self._adapters = adapters
        self._names: dict[int, str] = {}

    async def ready(self, where: str, given: Any) -> Any:
        """The engine's object for the adapter of a vLLM `LoRARequest`; None for none. Raises ValueError."""
        if given is None:
            return None
        if not (os.path.isdir(given.lora_path) or HUB_ID.fullmatch(given.lora_path)):
            raise ValueError(f"{where} the adapter {given.lora_name} at {given.lora_path}: there is no such directory")
        try:
            request = await self._adapters.of_script(given.lora_name, given.lora_path, _other_name(given))
        except HTTPException as error:
            raise ValueError(f"{where} the adapter {given.lora_name} at {given.lora_path}: {error.detail}") from error
        self._names[given.lora_int_id] = request.lora_name
        return request

    def knows(self, number: int) -> bool:
        return number in self._names

    def numbers(self) -> set[int]:
        return set(self._names)

    def forget(self, number: int) -> bool:
        """The server keeps it as long as it has room for it."""
        return self._names.pop(number, None) is not None


def _other_name(given: Any) -> str:
    """A name for an adapter whose own is that of another directory."""
    digest = hashlib.sha256(str(given.lora_path).encode()).hexdigest()[:8]
    return f"{given.lora_name}@{digest}"
