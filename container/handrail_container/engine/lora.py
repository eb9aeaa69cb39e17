"""LoRA adapters by name: what every engine does alike when one is loaded, asked for, and unloaded."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from fastapi import HTTPException

log = logging.getLogger("handrail")

#: The adapter that a request was sent to, as far as it reaches: what calls the engine for the request asks here.
asked: ContextVar[str | None] = ContextVar("handrail_adapter", default=None)

CONFIG = "adapter_config.json"
#: What a model hub calls a repository: `org/name`.
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
#: A name stands in a path and in a header.
_NAME = re.compile(r"\w[\w.:@+-]{0,255}", re.ASCII)


class Adapters(ABC):
    """What an engine has. Changes of one name wait for each other, and go on where their client leaves."""

    def __init__(self) -> None:
        #: How many there may be; `load` refuses one more.
        self.most = math.inf
        #: Why none may be loaded or unloaded, also by a script; empty where they may.
        self.is_kept_because = ""
        self._held: Counter[str] = Counter()
        self._loading: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @abstractmethod
    def loaded(self) -> Mapping[str, str]:
        """The directory of each, by name."""

    @abstractmethod
    def is_base(self, name: str) -> bool:
        """Whether it is a name of the model itself."""

    @abstractmethod
    def running(self, name: str) -> int:
        """How many requests the engine works on with it."""

    @abstractmethod
    async def add(self, name: str, source: str) -> None:
        """Raises HTTPException where it cannot be had, or the engine takes none."""

    @abstractmethod
    async def remove(self, name: str, *, is_idle: bool) -> None:
        """Nobody gets it from now on; what runs with it ends with it, where it is not idle."""

    def knows(self, name: str) -> bool:
        """Whether requests may be sent to it."""
        return self.is_base(name) or name in self.loaded()

    def in_use(self, name: str) -> int:
        """Requests under way: those that were sent to it, or those the engine works on, whichever are more."""
        return max(self._held[name], self.running(name))

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """A request that is sent to it is under way."""
        token = asked.set(name)
        self._held[name] += 1
        try:
            yield
        finally:
            asked.reset(token)
            self._held[name] -= 1
            if not self._held[name]:
                del self._held[name]

    def choose(self, given: Any, *, is_strict: bool) -> Any:
        """The model that a call of the facade goes to, where the body has `given`; None for the base model.

        An adapter that the body names comes first, then the one its request was sent to. `is_strict` where a name that
        nobody knows stays, to be refused.
        """
        is_base = not given or (isinstance(given, str) and self.is_base(given))
        if not is_base and (is_strict or not isinstance(given, str) or given in self.loaded()):
            return given
        return asked.get() or (is_base and given) or None

    def require(self, name: str) -> None:
        """Raises HTTPException with 404 where nobody knows it."""
        if not self.knows(name):
            raise HTTPException(404, f"there is no adapter {name!r}: {self._those_loaded()}")

    async def load(self, name: str, source: str) -> None:
        """Raises HTTPException: 400 where it cannot have the name or the engine no such adapter, 404 where there is
        none at `source`, 500 where its files cannot be read, 501 where there is no engine."""
        if not _NAME.fullmatch(name):
            raise HTTPException(
                400, f"{name!r} is no name for an adapter: write letters, digits and . _ : @ + -, 256 at most"
            )
        await self._alone(name, lambda: self._load(name, source))

    async def unload(self, name: str, *, is_forced: bool = False) -> None:
        """Raises HTTPException: 404 where it is not loaded, 409 where it is in use, unless `is_forced`."""
        await self._alone(name, lambda: self._unload(name, is_forced=is_forced))

    async def _load(self, name: str, source: str) -> None:
        if self.is_base(name):
            raise HTTPException(400, f"{name!r} is the name of the model itself: choose another for the adapter")
        if name in self.loaded():
            where = self.loaded()[name]
            raise HTTPException(400, f"the adapter {name!r} is loaded already, from {where}: unload it first")
        if len(self.loaded().keys() | self._loading) >= self.most:
            raise HTTPException(507, f"{self.most:g} adapters are loaded: unload one, or set HANDRAIL_MAX_ADAPTERS")
        self._loading.add(name)
        try:
            await self.add(name, source)
        finally:
            self._loading.discard(name)
        log.info("the adapter %s is loaded from %s", name, self.loaded()[name])

    async def _unload(self, name: str, *, is_forced: bool) -> None:
        if name not in self.loaded():
            raise HTTPException(404, f"the adapter {name!r} is not loaded: {self._those_loaded()}")
        count = self.in_use(name)
        if count and not is_forced:
            raise HTTPException(
                409,
                f"the adapter {name!r} is in use, by {count} of the requests under way: unload it when they are "
                "answered, or now with ?force=true, which takes it from new ones only",
            )
        await self.remove(name, is_idle=not count)
        log.info("the adapter %s is unloaded", name)

    async def _alone(self, name: str, change: Callable[[], Coroutine[Any, Any, None]]) -> None:
        lock = self._locks.setdefault(name, asyncio.Lock())

        async def changed() -> None:
            async with lock:
                await change()

        await asyncio.shield(asyncio.ensure_future(changed()))

    def _those_loaded(self) -> str:
        return f"loaded are {', '.join(map(repr, self.loaded()))}" if self.loaded() else "none is loaded"


def local(source: str) -> Path:
    """`source` as a path of this machine, whether or not there is anything."""
    return Path(source).absolute()


def no_directory(source: str) -> str:
    """The same sentence for what is not there and for what may not be loaded."""
    return (
        f"there is no directory {source[:200]!r} that an adapter may be loaded from: it has to be below the model "
        "directory, /opt/ml, or one that HANDRAIL_ADAPTERS_PATH names; a hub "
        "id needs HANDRAIL_ADAPTERS_FROM_HUB=true"
    )


def read_config(folder: Path, source: str) -> dict[str, Any]:
    """An adapter's own description. Raises HTTPException: 404 where there is none, 500 where it cannot be read."""
    if not os.path.isdir(folder):  # unlike Path's, it takes what cannot be looked at for nothing
        raise HTTPException(404, no_directory(source))
    try:
        config = json.loads((folder / CONFIG).read_text())
    except FileNotFoundError:
        raise HTTPException(404, f"there is no adapter in {source!r}: it has no {CONFIG}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise HTTPException(500, f"the adapter in {source!r} cannot be read: {CONFIG}: {error}") from None
    if not isinstance(config, dict):
        raise HTTPException(500, f"the adapter in {source!r} cannot be read: {CONFIG} is no JSON object")
    return config
