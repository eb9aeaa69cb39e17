"""A stand-in for AWS's `model_hosting_container_standards`, so that scripts written for it run unmodified.

It takes the name in `sys.modules` for the life of the process, whether or not the real package is installed (vLLM
installs it): its decorators are ours, and importing it leaves the root logger alone.
"""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import Any

from handrail.marks import custom_invocation_handler, custom_ping_handler

PACKAGE = "model_hosting_container_standards"


def _get_logger(name: str = PACKAGE) -> logging.Logger:
    return logging.getLogger(name)


#: Every supported name, by module path under the package ("" is the package itself).
SUPPORTED: dict[str, dict[str, Any]] = {
    "": {},
    "sagemaker": {
        "custom_ping_handler": custom_ping_handler,
        "custom_invocation_handler": custom_invocation_handler,
    },
    "logging_config": {
        "logger": logging.getLogger(PACKAGE),
        "get_logger": _get_logger,
    },
}


class _StandIn(ModuleType):
    """A module that says what it supports where it is asked for something else."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_unsupported(self.__name__, name))  # nothing else: `hasattr` and pickle ask every module


class _Refusing:
    """The last finder on the path of imports: `import` says the same, for a name and for a module."""

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
    """Put the stand-in in place; call it before vLLM or user code is imported. Calling it again changes nothing."""
    if isinstance(sys.modules.get(PACKAGE), _StandIn):
        return
    sys.meta_path.append(_Refusing)
    for path, names in SUPPORTED.items():
        name = f"{PACKAGE}.{path}".rstrip(".")
        module = _StandIn(name, "Handrail's stand-in; see handrail.compat.")
        module.__path__ = []  # a package: its submodules are found in sys.modules
        vars(module).update(names)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
