"""vLLM's `LLM` over the server's engine: its own methods, on attributes that wait for the engine."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any

from handrail_container.engine.vllm.adoption import bridge, refused
from handrail_container.engine.vllm.adoption.given import of_engine_args, record
from handrail_container.engine.vllm.adoption.host import Host
from handrail_container.engine.vllm.adoption.ours import is_ours
from handrail_container.engine.vllm.adoption.patches import Patches
from handrail_container.engine.vllm.adoption.requests import own_requests
from handrail_container.engine.vllm.adoption.sampling import tokenization
from handrail_container.engine.vllm.names import vllm

#: Methods that run requests: each call has its own.
_RUNNING = ("generate", "chat", "encode", "embed", "classify", "reward", "score", "beam_search")
_QUEUEING = ("enqueue", "enqueue_chat", "wait_for_completion")
_REFUSED = (
    *("collective_rpc", "apply_model", "sleep", "wake_up", "release_kv_cache_memory", "start_profile"),
    *("stop_profile", "init_weight_transfer_engine", "shutdown_weight_transfer_engine", "start_weight_update"),
    *("start_draft_weight_update", "update_weights", "finish_weight_update", "update_weight_version"),
)
#: Arguments of older versions: the prompts, and what vLLM has no more.
_OLD = ("prompt_token_ids", "inputs", "prompt_adapter_request")
_BUILT = "_handrail_built"
_LOCK = "_handrail_lock"


def patch(patches: Patches, host: Host, cls: Any) -> None:
    """Replace the constructor of `cls`, vLLM's `LLM`, and the methods that differ on an engine that is shared."""
    patches.put(cls, "__init__", _constructor(host, cls.__init__))
    patches.put(cls, "from_engine_args", classmethod(_from_engine_args(host, vars(cls)["from_engine_args"].__func__)))
    patches.put(cls, "__getattr__", _waiting_attribute(host))
    for name in (*_RUNNING, *_QUEUEING):
        if hasattr(cls, name):
            patches.put(cls, name, _running(host, getattr(cls, name), has_own=name in _RUNNING))
    for name in _REFUSED:
        if hasattr(cls, name):
            patches.put(cls, name, _unless_adopted(getattr(cls, name), refused.method(name)))
    patches.put(cls, "get_tokenizer", _early(cls.get_tokenizer, lambda: host.preview().tokenizer(), host))
    patches.put(cls, "__repr__", _unless_adopted(cls.__repr__, lambda self: "<LLM over the server's engine>"))


def _constructor(host: Host, original: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def __init__(self: Any, *given: Any, **named: Any) -> None:
        if is_ours():
            original(self, *given, **named)
            return
        arguments = dict(signature.bind(self, *given, **named).arguments)
        arguments |= arguments.pop("kwargs", {})
        arguments.pop("self")
        chat_template = arguments.pop("chat_template", None)
        engine_args = vllm("EngineArgs")
        host.require_known(arguments, engine_args)
        vars(self)[_BUILT] = record(host.adoption, "LLM", {k: v for k, v in arguments.items() if v is not None})
        vars(self)[_LOCK] = RLock()
        self.chat_template = host.chat_template(chat_template)
        self.request_counter = itertools.count()  # many threads count
        self.default_sampling_params = None

    return __init__


def _from_engine_args(host: Host, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def from_engine_args(cls: Any, engine_args: Any) -> Any:
        return original(cls, engine_args) if is_ours() else cls(**of_engine_args(engine_args))

    return from_engine_args


def _waiting_attribute(host: Host) -> Callable[[Any, str], Any]:
    """The attributes that vLLM's constructor would have set are there once the engine is."""

    def __getattr__(self: Any, name: str) -> Any:
        if name.startswith("__") or _LOCK not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name == "model_config" and host.is_early:
            return host.preview().model_config
        host.require_own_process()  # before the lock, which a thread that waits for the engine holds
        if not host.adoption.arrival.is_settled:
            host.require_thread()
        with vars(self).get(_LOCK) or RLock():
            if _LOCK in vars(self):
                _complete(self, host)
                del vars(self)[_LOCK]
        return getattr(self, name)

    return __getattr__


def _complete(llm: Any, host: Host) -> None:
    running = host.use()
    engine = bridge.over(host, vllm("LLMEngine"))
    attributes = {
        "llm_engine": engine,
        "model_config": running.client.model_config,
        "engine_class": type(engine),
        "supported_tasks": running.tasks,
        "runner_type": running.client.model_config.runner_type,
        "renderer": host.renderer(running),
        "input_processor": running.client.input_processor,
        "_cached_repr": None,
    }
    vars(llm).update(attributes)
    vllm("PoolingOfflineMixin").__init__(llm)


def _is_adopted(llm: Any) -> bool:
    return _BUILT in vars(llm)


def _running(host: Host, original: Callable[..., Any], *, has_own: bool) -> Callable[..., Any]:
    """A method that runs requests: they are of this call alone, and the caller's objects stay as they are."""
    signature = inspect.signature(original)

    @functools.wraps(original)
    def run(self: Any, *given: Any, **named: Any) -> Any:
        if not _is_adopted(self):
            return original(self, *given, **named)
        host.require_thread()
        host.require_own_process()
        bound = signature.bind(self, *given, **_current(named, signature.parameters))
        _suit(bound.arguments, signature.parameters)
        if not has_own:
            return original(*bound.args, **bound.kwargs)
        with own_requests(host.loop):
            return original(*bound.args, **bound.kwargs)

    return run


def _current(named: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name, with those of older versions as `prompts`: token ids, of one prompt or of several."""
    current = {name: value for name, value in named.items() if name not in _OLD or name in parameters}
    found = next((named[name] for name in _OLD[:2] if named.get(name) is not None and name not in parameters), None)
    if found is None or current.get("prompts") is not None:
        return current
    is_tokens = "prompt_token_ids" in named and bool(found)
    if is_tokens and isinstance(found[0], int):
        return {**current, "prompts": {"prompt_token_ids": list(found)}}
    return {**current, "prompts": [{"prompt_token_ids": list(one)} for one in found] if is_tokens else found}


def _suit(asked: dict[str, Any], parameters: Mapping[str, Any]) -> None:
    """Change the arguments to those for an engine that is shared."""
    if "use_tqdm" in parameters and "use_tqdm" not in asked:
        asked["use_tqdm"] = False  # bars would fill the server's log
    if "tokenization_kwargs" in parameters and (truncated := tokenization(asked.get("sampling_params"))):
        asked["tokenization_kwargs"] = {**truncated, **(asked.get("tokenization_kwargs") or {})}
    for name in ("sampling_params", "pooling_params", "params"):
        if asked.get(name) is not None:
            asked[name] = _cloned(asked[name])


def _cloned(params: Any) -> Any:
    """Copies: vLLM changes the caller's objects, which other threads may be using."""
    if hasattr(params, "clone"):
        return params.clone()
    return [_cloned(one) for one in params] if isinstance(params, list | tuple) else params


def _unless_adopted(original: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(self: Any, *given: Any, **named: Any) -> Any:
        return instead(self, *given, **named) if _is_adopted(self) else original(self, *given, **named)

    return method


def _early(original: Callable[..., Any], instead: Callable[[], Any], host: Host) -> Callable[..., Any]:
    """A method that the model's files answer on the server's loop, as long as the engine is not there."""

    @functools.wraps(original)
    def method(self: Any) -> Any:
        return instead() if _is_adopted(self) and host.is_early else original(self)

    return method
