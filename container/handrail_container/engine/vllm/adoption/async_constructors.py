"""The constructors of vLLM's `AsyncLLM` (`AsyncLLMEngine`): they give objects over the server's engine."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from handrail_container.engine.vllm.adoption import refused
from handrail_container.engine.vllm.adoption.async_llm import AdoptedAsync
from handrail_container.engine.vllm.adoption.classes import made
from handrail_container.engine.vllm.adoption.given import of_config, of_engine_args, record
from handrail_container.engine.vllm.adoption.host import Host
from handrail_container.engine.vllm.adoption.ours import called_at, is_ours
from handrail_container.engine.vllm.adoption.patches import Patches
from handrail_container.engine.vllm.names import vllm
from handrail_container.program.adoption.record import AdoptionRefused

_REFUSED = (
    *("sleep", "wake_up", "release_kv_cache_memory", "start_profile", "stop_profile", "collective_rpc"),
    *("pause_generation", "resume_generation", "scale_elastic_ep", "init_weight_transfer_engine"),
    *("shutdown_weight_transfer_engine", "start_weight_update", "start_draft_weight_update", "update_weights"),
    *("finish_weight_update", "update_weight_version", "checkpoint_prepare", "checkpoint_restore", "handle_fault"),
)


def patch(patches: Patches, host: Host, cls: Any) -> None:
    """Replace the constructors of `cls`, vLLM's `AsyncLLM`."""
    original_args, original_config = vars(cls)["from_engine_args"].__func__, vars(cls)["from_vllm_config"].__func__

    @functools.wraps(original_args)
    def from_engine_args(base: Any, engine_args: Any, *given: Any, **named: Any) -> Any:
        if is_ours():
            return original_args(base, engine_args, *given, **named)
        _refuse_stat_loggers(original_args, base, engine_args, *given, **named)
        record(host.adoption, f"{_name(base)}.from_engine_args", of_engine_args(engine_args))
        return _over(host, base, cls)

    @functools.wraps(original_config)
    def from_vllm_config(base: Any, vllm_config: Any, *given: Any, **named: Any) -> Any:
        if is_ours():
            return original_config(base, vllm_config, *given, **named)
        _refuse_stat_loggers(original_config, base, vllm_config, *given, **named)
        record(host.adoption, f"{_name(base)}.from_vllm_config", of_config(vllm_config))
        return _over(host, base, cls)

    original_init = cls.__init__

    @functools.wraps(original_init)
    def __init__(self: Any, *given: Any, **named: Any) -> None:
        if not is_ours():
            name = type(self).__name__
            raise AdoptionRefused(
                f"{called_at()} {name}(…) starts an engine from its parts, and the server has one: write "
                f"{name}.from_engine_args(AsyncEngineArgs(…))"
            )
        original_init(self, *given, **named)

    patches.put(cls, "from_engine_args", classmethod(from_engine_args))
    patches.put(cls, "from_vllm_config", classmethod(from_vllm_config))
    patches.put(cls, "__init__", __init__)


def _name(base: type) -> str:
    return "AsyncLLMEngine" if base.__name__ == "AsyncLLM" else base.__name__


def _refuse_stat_loggers(original: Callable[..., Any], *given: Any, **named: Any) -> None:
    """Raises TypeError for a call that vLLM would not take either, and AdoptionRefused for stat loggers."""
    if inspect.signature(original).bind(*given, **named).arguments.get("stat_loggers"):
        refused.no_stat_loggers()


def _over(host: Host, base: type, vllms: Any) -> Any:
    engine = made(base, vllms, AdoptedAsync, _methods)
    AdoptedAsync.__init__(engine, host)
    return engine


def _methods() -> dict[str, Any]:
    vllms = vllm("AsyncLLM")
    body = {name: refused.method(name) for name in _REFUSED if hasattr(vllms, name)}
    coroutines = [name for name, function in vars(vllms).items() if _is_of_others(name, function)]
    return body | {name: _hopping(name) for name in coroutines if name not in body and name not in vars(AdoptedAsync)}


def _is_of_others(name: str, function: Any) -> bool:
    return inspect.iscoroutinefunction(function) and not name.startswith("_")


def _hopping(name: str) -> Callable[..., Awaitable[Any]]:
    async def method(self: Any, *given: Any, **named: Any) -> Any:
        return await self._on_loop(lambda client: getattr(client, name)(*given, **named))

    method.__name__ = name
    return method
