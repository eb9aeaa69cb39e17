"""A stand-in for AWS's `model_hosting_container_standards`, so that scripts written for it run unmodified.

It takes the name in `sys.modules` for the life of the process, whether or not the real package is installed (vLLM
installs it). Its decorators are Handrail's, and importing it does not configure the root logger.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

from handrail.aws import sessions
from handrail.aws.adapter_handlers import register_load_adapter_handler, register_unload_adapter_handler
from handrail.aws.adapter_header import inject_adapter_id
from handrail.core import marks
from handrail.core.slots import Slot, WrapperSlot

F = TypeVar("F")

PACKAGE = "model_hosting_container_standards"


def _get_logger(name: str = PACKAGE) -> logging.Logger:
    return logging.getLogger(name)


def _parse_level(level: Any) -> int:
    """The number of a level given by name or number; ERROR for anything else."""
    if isinstance(level, int):
        return level
    named = logging.getLevelName(str(level).upper())
    return named if isinstance(named, int) else logging.ERROR


def _configure_root_logger(*_: Any, **__: Any) -> None:
    """Does nothing: the server has configured logging."""


def _bootstrap(app: F) -> F:
    """Returns the application unchanged: the server has installed the handlers."""
    return app


def _create_router(*_: Any, **__: Any) -> Any:
    from fastapi import APIRouter

    return APIRouter()


@dataclass
class RouteConfig:
    """A handler's route in a framework; unused here, kept for scripts that create one."""

    path: str
    method: str = "POST"
    tags: list[str] = field(default_factory=list)
    summary: str | None = None


class FastAPIEnvVars:
    """Names of environment variables."""

    CUSTOM_FASTAPI_PING_HANDLER = Slot.PING.variable
    CUSTOM_FASTAPI_INVOCATION_HANDLER = Slot.INVOCATION.variable
    CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE = WrapperSlot.THROTTLE.variable
    CUSTOM_FASTAPI_MIDDLEWARE_PRE_POST_PROCESS = WrapperSlot.PRE_POST_PROCESS.variable
    CUSTOM_PRE_PROCESS = WrapperSlot.INPUT_FORMATTER.variable
    CUSTOM_POST_PROCESS = WrapperSlot.OUTPUT_FORMATTER.variable


class SageMakerEnvVars:
    """Names of environment variables."""

    CUSTOM_SCRIPT_FILENAME = "CUSTOM_SCRIPT_FILENAME"
    SAGEMAKER_MODEL_PATH = "SAGEMAKER_MODEL_PATH"
    SAGEMAKER_CONTAINER_LOG_LEVEL = "SAGEMAKER_CONTAINER_LOG_LEVEL"


_FORMATTERS = {
    "custom_middleware": marks.custom_middleware,
    "input_formatter": marks.input_formatter,
    "output_formatter": marks.output_formatter,
}

#: Every supported name, by module path under the package ("" is the package itself).
SUPPORTED: dict[str, dict[str, Any]] = {
    "": {},
    "sagemaker": {
        "custom_ping_handler": marks.custom_ping_handler,
        "custom_invocation_handler": marks.custom_invocation_handler,
        "register_ping_handler": marks.register_ping_handler,
        "register_invocation_handler": marks.register_invocation_handler,
        "register_handler": marks.register_handler,
        "register_load_adapter_handler": register_load_adapter_handler,
        "register_unload_adapter_handler": register_unload_adapter_handler,
        "register_create_session_handler": sessions.register_create_session_handler,
        "register_close_session_handler": sessions.register_close_session_handler,
        "inject_adapter_id": inject_adapter_id,
        "stateful_session_manager": sessions.stateful_session_manager,
        "bootstrap": _bootstrap,
        "create_sagemaker_router": _create_router,
        "RouteConfig": RouteConfig,
    },
    "sagemaker.config": {"SageMakerEnvVars": SageMakerEnvVars},
    "logging_config": {
        "logger": logging.getLogger(PACKAGE),
        "get_logger": _get_logger,
        "parse_level": _parse_level,
        "configure_root_logger": _configure_root_logger,
    },
    "common": {},
    "common.fastapi": _FORMATTERS,
    "common.fastapi.config": {"FastAPIEnvVars": FastAPIEnvVars},
    "common.fastapi.middleware": _FORMATTERS,
}


class _StandIn(ModuleType):
    """A module whose AttributeError lists the supported names."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_unsupported(self.__name__, name))  # no other type: `hasattr` and pickle rely on it


class _Refusing:
    """The last import finder: makes `import` of an unsupported name or module raise the same message."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        parent, _, child = name.rpartition(".")
        if isinstance(sys.modules.get(parent), _StandIn):
            raise ImportError(_unsupported(parent, child), name=parent)


def _unsupported(module: str, name: str) -> str:
    path = module.removeprefix(PACKAGE).removeprefix(".")
    names = sorted([*SUPPORTED[path], *_children(path)])
    return f"Handrail's stand-in for {module} has no {name!r}. It supports: {', '.join(names) or 'nothing else'}."


def _children(path: str) -> list[str]:
    prefix = f"{path}." if path else ""
    tails = [other.removeprefix(prefix) for other in SUPPORTED if other and other.startswith(prefix)]
    return [tail for tail in tails if tail and "." not in tail]


def install() -> None:
    """Install the stand-in, before vLLM or user code is imported. A second call changes nothing."""
    if isinstance(sys.modules.get(PACKAGE), _StandIn):
        return
    sys.meta_path.append(_Refusing)
    for path, names in SUPPORTED.items():
        name = f"{PACKAGE}.{path}".rstrip(".")
        module = _StandIn(name, "Handrail's stand-in; see handrail.aws.compat.")
        module.__path__ = []  # marks a package, whose submodules are found in sys.modules
        vars(module).update(names)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
