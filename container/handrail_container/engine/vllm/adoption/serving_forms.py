"""vLLM's serving classes as scripts of older versions build them, over the object that the script has as its engine."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from handrail_container.engine.vllm.adoption.async_llm import AdoptedAsync
from handrail_container.engine.vllm.adoption.imports import Prepare
from handrail_container.engine.vllm.adoption.patches import Patches
from handrail_container.engine.vllm.names import NAMES, vllm

_SERVING = ("OpenAIServingChat", "OpenAIServingCompletion")
#: What both the renderer and a serving object may be given.
_OF_RENDERER = (
    *("request_logger", "chat_template", "chat_template_content_format", "trust_request_chat_template"),
    *("enable_auto_tools", "tool_parser", "reasoning_parser", "default_chat_template_kwargs"),
)
_DEFAULTS = {"request_logger": None, "chat_template": None, "chat_template_content_format": "auto"}


class ServingForms:
    """`prepared` is for `AfterImport`; `undo` takes everything back."""

    def __init__(self) -> None:
        self._patches = Patches()
        self.prepared: Mapping[str, Prepare] = {
            module: functools.partial(self._prepare, name=name) for name in _SERVING for module in NAMES[name].modules
        } | dict.fromkeys(NAMES["OpenAIServingModels"].modules, self._prepare_models)

    def undo(self) -> None:
        self._patches.undo()

    def _prepare(self, module: ModuleType, name: str) -> None:
        cls = vars(module)[name]
        self._patches.put(cls, "__init__", _serving(cls.__init__))

    def _prepare_models(self, module: ModuleType) -> None:
        cls = vars(module)["OpenAIServingModels"]
        self._patches.put(cls, "__init__", _models(cls.__init__))


def _serving(original: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def __init__(self: Any, *given: Any, **named: Any) -> None:
        engine = _engine(given, named)
        if engine is None or _fits(signature, self, given, named):
            original(self, *given, **named)
            return
        original(self, **_current(engine, given, named, signature.parameters))

    return __init__


def _models(original: Callable[..., None]) -> Callable[..., None]:
    """Once the configuration of the model came second."""

    @functools.wraps(original)
    def __init__(self: Any, *given: Any, **named: Any) -> None:
        engine = _engine(given, named)
        if engine is None:
            original(self, *given, **named)
            return
        paths = _paths(given, named)
        original(self, engine, paths, lora_modules=named.get("lora_modules"))

    return __init__


def _engine(given: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """The script's engine among the arguments; None if there is none: the call is not the script's."""
    return next((each for each in (*given[:1], *named.values()) if isinstance(each, AdoptedAsync)), None)


def _fits(signature: inspect.Signature, self: Any, given: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    try:
        bound = signature.bind(self, *given, **named)
    except TypeError:
        return False
    return not any(_is_config(value) for value in bound.arguments.values())


def _is_config(value: Any) -> bool:
    return type(value).__name__ == "ModelConfig"


def _current(
    engine: Any, given: tuple[Any, ...], named: Mapping[str, Any], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of the running version."""
    options = {**_DEFAULTS, **{name: named[name] for name in _OF_RENDERER if named.get(name) is not None}}
    template = vllm("load_chat_template")(options["chat_template"])
    renderer = vllm("OnlineRenderer")(engine.model_config, engine.renderer, **{**options, "chat_template": template})
    made = {
        **{name: value for name, value in named.items() if not _is_config(value)},
        **options,
        "chat_template": template,
        "engine_client": engine,
        "models": _serving_models(engine, given, named),
        "online_renderer": renderer,
        "response_role": _role(given, named),
    }
    return {name: value for name, value in made.items() if name in parameters}


def _serving_models(engine: Any, given: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    cls = vllm("OpenAIServingModels")
    found = next((each for each in (*given, *named.values()) if isinstance(each, cls)), None)
    return found or cls(engine, _paths(given, named), lora_modules=named.get("lora_modules"))


def _paths(given: tuple[Any, ...], named: Mapping[str, Any]) -> list[Any]:
    """The served names, which once were texts, as objects."""
    cls = vllm("BaseModelPath")
    lists = [each for each in (*given, *named.values()) if isinstance(each, list) and each]
    found = next((each for each in lists if isinstance(each[0], str | cls)), [])
    return [cls(name=each, model_path=each) if isinstance(each, str) else each for each in found]


def _role(given: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    texts = [each for each in given if isinstance(each, str)]
    return str(named.get("response_role") or next(iter(texts), "assistant"))
