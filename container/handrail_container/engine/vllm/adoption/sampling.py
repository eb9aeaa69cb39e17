"""`SamplingParams` and `GuidedDecodingParams` as scripts of any age build them. The objects are vLLM's own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from handrail_container.engine.vllm.adoption.imports import Prepare
from handrail_container.engine.vllm.adoption.ours import called_at
from handrail_container.engine.vllm.adoption.script_names import ScriptNames, constructed_by
from handrail_container.engine.vllm.names import vllm
from handrail_container.program.adoption import sampling_fields


def tokenization(sampling_params: Any) -> dict[str, Any]:
    """The `tokenization_kwargs` with which `generate` is to be called for a `SamplingParams`, besides the caller's own:
    those of `truncate_prompt_tokens`, which the object carries in its `extra_args`."""
    return sampling_fields.tokenization(getattr(sampling_params, "extra_args", None))


class SamplingForScripts:
    """`prepared` is for `AfterImport`; `undo` gives the modules their own names back."""

    def __init__(self) -> None:
        self._names = ScriptNames()
        self.prepared: Mapping[str, Prepare] = {"vllm": self._prepare_vllm, "vllm.sampling_params": self._prepare}

    def undo(self) -> None:
        self._names.undo()

    def _prepare_vllm(self, module: ModuleType) -> None:
        self._names.give(module, {"SamplingParams": _sampling_params})

    def _prepare(self, module: ModuleType) -> None:
        made: dict[str, Callable[[], Any]] = {"SamplingParams": _sampling_params}
        if not hasattr(module, "GuidedDecodingParams"):
            made["GuidedDecodingParams"] = _guided_decoding_params
        self._names.give(module, made)


@functools.cache
def _sampling_params() -> Any:
    """The class, whose constructors take fields that are gone."""
    real = vllm("SamplingParams")

    def construct(*given: Any, **named: Any) -> Any:
        return real(*given, **sampling_fields.current(named, called_at))

    @functools.wraps(real.from_optional)
    def from_optional(*given: Any, **named: Any) -> Any:
        return real.from_optional(*given, **sampling_fields.current(named, called_at))

    return constructed_by(
        real, construct, {"from_optional": staticmethod(from_optional)}, omit_defaults=True, dict=True
    )


@functools.cache
def _guided_decoding_params() -> Any:
    """A class whose objects are of the class that took its place."""
    real = vllm("StructuredOutputsParams")

    class Meta(type):
        def __call__(cls, *given: Any, **named: Any) -> Any:
            return real(*given, **sampling_fields.guided(named))

        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, real)

    def from_optional(**named: Any) -> Any:
        """None where there is no constraint, as it was."""
        fields = {name: value for name, value in sampling_fields.guided(named).items() if value is not None}
        return real(**fields) if fields else None

    body = {"__module__": real.__module__, "__doc__": real.__doc__, "from_optional": staticmethod(from_optional)}
    made: Any = Meta("GuidedDecodingParams", (), body)
    made.__signature__ = inspect.signature(real)
    return made
