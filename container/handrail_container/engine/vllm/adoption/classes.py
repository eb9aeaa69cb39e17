"""Classes that stand before vLLM's in the order of methods, and behind those of the script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

#: Classes that are kept: a script that builds an engine in each request gets the same one.
_KEPT = 16


def made(base: type, vllms: type, mixin: type, body: Callable[[], Mapping[str, Any]]) -> Any:
    """An object, not initialised, of `base`: vLLM's class `vllms`, or the script's subclass of it. Methods of `mixin`
    and of what `body` gives replace vLLM's."""
    return object.__new__(_class(base, vllms, mixin, body))


@lru_cache(maxsize=_KEPT)
def _class(base: type, vllms: type, mixin: type, body: Callable[[], Mapping[str, Any]]) -> type:
    ours = type(vllms.__name__, (mixin, vllms), {**body(), "__module__": vllms.__module__})
    return ours if base is vllms else type(base.__name__, (base, ours), {"__module__": base.__module__})
