"""vLLM's modules, imported when a test asks for a name: importing tests does not import vLLM."""

from __future__ import annotations

import importlib
from typing import Any


class Lazily:
    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "pytest")):
            raise AttributeError(name)  # pytest asks what is in a module of tests for its own marks
        return getattr(importlib.import_module(self._module), name)


vllm, exceptions, sampling_params = map(Lazily, ("vllm", "vllm.exceptions", "vllm.sampling_params"))
