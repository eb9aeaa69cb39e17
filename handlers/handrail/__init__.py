"""The public API for a `model.py`: decorators for its handlers and hooks, and the engine as a parameter's type.

Names for plugins that add a style of whole models, and `get_engine`, are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from handrail.core.engine import Engine
from handrail.core.marks import (
    custom_invocation_handler,
    custom_middleware,
    custom_ping_handler,
    custom_stream_handler,
    input_formatter,
    on_shutdown,
    on_startup,
    output_formatter,
)

__all__ = [
    "Engine",
    "ModelDirectory",
    "Neighbours",
    "Offer",
    "Problem",
    "Slot",
    "Start",
    "Style",
    "WholeModel",
    "custom_invocation_handler",
    "custom_middleware",
    "custom_ping_handler",
    "custom_stream_handler",
    "get_engine",
    "input_formatter",
    "on_shutdown",
    "on_startup",
    "output_formatter",
]

if TYPE_CHECKING:
    from handrail.core.calling import get_engine
    from handrail.core.slots import Slot
    from handrail.core.whole_model import ModelDirectory, Neighbours, Offer, Problem, Start, Style, WholeModel

_LATER = {
    "ModelDirectory": "core.whole_model",
    "Neighbours": "core.whole_model",
    "Offer": "core.whole_model",
    "Problem": "core.whole_model",
    "Slot": "core.slots",
    "Start": "core.whole_model",
    "Style": "core.whole_model",
    "WholeModel": "core.whole_model",
    "get_engine": "core.calling",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
