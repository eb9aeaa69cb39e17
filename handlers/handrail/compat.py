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
        if name.startswith("__"):  # Python itself asks for some of these, and takes AttributeError for an answer
            raise AttributeError(name)
        path = self.__name__.removeprefix(PACKAGE).removeprefix(".")
        names = sorted([*SUPPORTED[path], *_children(path)])
        raise ImportError(
            f"Handrail's stand-in for {self.__name__} has no {name!r}. It supports: {', '.join(names)}.",
            name=self.__name__,
        )


def _children(path: str) -> list[str]:
    prefix = f"{path}." if path else ""
    tails = [other.removeprefix(prefix) for other in SUPPORTED if other and other.startswith(prefix)]
    return [tail for tail in tails if tail and "." not in tail]


def install() -> None:
    """Put the stand-in in place; call it before vLLM or user code is imported. Calling it again changes nothing."""
    if isinstance(sys.modules.get(PACKAGE), _StandIn):
        return
    for path, names in SUPPORTED.items():
        name = f"{PACKAGE}.{path}".rstrip(".")
        module = _StandIn(name, "Handrail's stand-in; see handrail.compat.")
        module.__path__ = []  # a package: its submodules are found in sys.modules
        vars(module).update(names)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
