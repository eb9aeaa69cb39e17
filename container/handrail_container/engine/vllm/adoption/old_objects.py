"""Objects of vLLM's that had other fields in older versions: adapters of requests, and errors of serving objects."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from handrail_container.engine.vllm.adoption.imports import Prepare
from handrail_container.engine.vllm.adoption.patches import Patches
from handrail_container.engine.vllm.adoption.script_names import ScriptNames, constructed_by
from handrail_container.engine.vllm.names import NAMES, vllm

#: What an error of a serving object had itself, and has in its `error` now.
_OF_ERROR = ("code", "message", "type", "param")


class OldObjects:
    """`prepared` is for `AfterImport`; `undo` takes everything back."""

    def __init__(self) -> None:
        self._names, self._patches = ScriptNames(), Patches()
        (errors,) = NAMES["ErrorResponse"].modules
        self.prepared: Mapping[str, Prepare] = {"vllm.lora.request": self._prepare_lora, errors: self._prepare_errors}

    def undo(self) -> None:
        self._names.undo()
        self._patches.undo()

    def _prepare_lora(self, module: ModuleType) -> None:
        self._names.give(module, {"LoRARequest": _lora_request})

    def _prepare_errors(self, module: ModuleType) -> None:
        cls = vars(module)["ErrorResponse"]
        for name in _OF_ERROR:
            if name not in cls.model_fields:
                self._patches.put(cls, name, property(functools.partial(_of_error, name=name)))


def _of_error(response: Any, name: str) -> Any:
    return getattr(response.error, name)


@functools.cache
def _lora_request() -> Any:
    """The path was `lora_local_path`; contexts longer than the model's are gone."""
    real = vllm("LoRARequest")

    def construct(*given: Any, **named: Any) -> Any:
        path = named.pop("lora_local_path", None)
        if named.get("long_lora_max_len", 0) is None:
            del named["long_lora_max_len"]
        return real(*given, **named, **({"lora_path": path} if path else {}))

    return constructed_by(real, construct, {}, omit_defaults=True, array_like=True)
