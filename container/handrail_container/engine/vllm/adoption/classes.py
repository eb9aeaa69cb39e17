"""Classes that stand before vLLM's in the order of methods, and behind those of the script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def made(base: type, vllms: type, mixin: type, body: Mapping[str, Any]) -> Any:
    """An object, not initialised, of `base`: vLLM's class `vllms`, or the script's subclass of it. Methods of `mixin`
    and of `body` replace vLLM's."""
    ours = type(vllms.__name__, (mixin, vllms), {**body, "__module__": vllms.__module__})
    cls = ours if base is vllms else type(base.__name__, (base, ours), {"__module__": base.__module__})
    return object.__new__(cls)
