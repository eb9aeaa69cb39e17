"""Has vLLM's engine classes give a script objects over the server's engine, while a server runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from handrail_container.engine.vllm.adoption import async_constructors, bridge, llm, refused
from handrail_container.engine.vllm.adoption.command_line import OldArguments
from handrail_container.engine.vllm.adoption.given import of_config, of_engine_args, record, remember_arguments
from handrail_container.engine.vllm.adoption.host import Host
from handrail_container.engine.vllm.adoption.imports import AfterImport, together
from handrail_container.engine.vllm.adoption.old_modules import OldModules
from handrail_container.engine.vllm.adoption.old_objects import OldObjects
from handrail_container.engine.vllm.adoption.ours import is_ours
from handrail_container.engine.vllm.adoption.patches import Patches
from handrail_container.engine.vllm.adoption.sampling import SamplingForScripts
from handrail_container.engine.vllm.adoption.serving_forms import ServingForms


class Adopter:
    """Installed before the script is imported, for one server of the process at a time."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._patches = Patches()
        self._sampling = SamplingForScripts()
        self._modules = OldModules()
        self._arguments = OldArguments()
        self._serving = ServingForms()
        self._objects = OldObjects()
        ours = {
            "vllm.entrypoints.llm": self._patch_llm,
            "vllm.v1.engine.async_llm": self._patch_async,
            "vllm.v1.engine.llm_engine": self._patch_engine,
            "vllm.engine.arg_utils": self._patch_arguments,
        }
        old = [part.prepared for part in (self._arguments, self._sampling, self._modules, self._serving, self._objects)]
        self._after = AfterImport(together(ours, *old))

    def install(self) -> None:
        self._modules.install()
        self._after.install()

    def uninstall(self) -> None:
        self._after.uninstall()
        for part in (self._modules, self._objects, self._serving, self._sampling, self._arguments, self._patches):
            part.undo()

    def _patch_llm(self, module: ModuleType) -> None:
        llm.patch(self._patches, self._host, vars(module)["LLM"])

    def _patch_async(self, module: ModuleType) -> None:
        async_constructors.patch(self._patches, self._host, vars(module)["AsyncLLM"])

    def _patch_arguments(self, module: ModuleType) -> None:
        cls = vars(module)["EngineArgs"]
        original = cls.create_engine_config

        @functools.wraps(original)
        def create_engine_config(engine_args: Any, *given: Any, **named: Any) -> Any:
            asked = of_engine_args(engine_args)  # now: vLLM changes the object
            config = original(engine_args, *given, **named)
            remember_arguments(config, asked)
            return config

        self._patches.put(cls, "create_engine_config", create_engine_config)

    def _patch_engine(self, module: ModuleType) -> None:
        cls = vars(module)["LLMEngine"]
        for name in ("from_engine_args", "from_vllm_config"):
            original = vars(cls)[name].__func__
            self._patches.put(cls, name, classmethod(_engine_constructor(self._host, name, original)))


def _engine_constructor(host: Host, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def construct(base: Any, *given: Any, **named: Any) -> Any:
        if is_ours():
            return original(base, *given, **named)
        arguments = signature.bind(base, *given, **named).arguments
        if arguments.get("stat_loggers"):
            refused.no_stat_loggers()
        of_args = "engine_args" in arguments
        asked = of_engine_args(arguments["engine_args"]) if of_args else of_config(arguments["vllm_config"])
        record(host.adoption, f"{base.__name__}.{name}", asked)
        return bridge.over(host, base)

    return construct
