"""LoRA adapters by name: loading, choosing and unloading, as far as all engines do it alike."""

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
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from fastapi import HTTPException
from handrail.adapter_code import SCRIPT, TEMPLATE, AdapterCode

from handrail_container.process.threads import in_thread
from handrail_container.program import adapter_code

log = logging.getLogger("handrail")

#: The adapter that the current request was sent to. Code that calls the engine for the request reads it here.
asked: ContextVar[str | None] = ContextVar("handrail_adapter", default=None)

CONFIG = "adapter_config.json"
#: The name of a repository on a model hub: `org/name`.
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
#: An adapter's name must be valid in a path and in a header.
_NAME = re.compile(r"\w[\w.:@+-]{0,255}", re.ASCII)


class CodePolicy(NamedTuple):
    """Whether the `model.py` of an adapter's directory runs. If `refusal` says why not, the adapter is not loaded; with
    `ignores`, it is loaded without it."""

    refusal: str = ""
    ignores: bool = False


TRUSTED = CodePolicy()


class Adapters(ABC):
    """An engine's adapters. Changes to one name run one after another, and continue if their client disconnects."""

    def __init__(self) -> None:
        #: The largest number of adapters; `load` refuses one more.
        self.most = math.inf
        #: Why adapters may not be loaded or unloaded, not even by a script; empty if they may.
        self.locked_reason = ""
        #: The code of each adapter that has some. An adapter's is here before its weights are loaded.
        self.codes: dict[str, AdapterCode] = {}
        self._held: Counter[str] = Counter()
        self._loading: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @abstractmethod
    def loaded(self) -> Mapping[str, str]:
        """The directory of each adapter, by name."""

    @abstractmethod
    def is_base(self, name: str) -> bool:
        """Whether `name` is a name of the base model."""

    @abstractmethod
    def running(self, name: str) -> int:
        """The number of requests that the engine is running with the adapter."""

    @abstractmethod
    async def find(self, source: str) -> Path:
        """The adapter's directory on this machine. Raises HTTPException if there is none that the engine would take."""

    @abstractmethod
    async def add(self, name: str, folder: Path, source: str) -> None:
        """Load an adapter into the engine. Raises HTTPException if it cannot be loaded."""

    @abstractmethod
    async def remove(self, name: str, *, is_idle: bool) -> None:
        """Take the adapter from new requests. If it is not idle, the requests that run with it finish with it."""

    def knows(self, name: str) -> bool:
        """Whether requests may name it."""
        return self.is_base(name) or name in self.loaded()

    def in_use(self, name: str) -> int:
        """Requests in flight: the larger of those sent to the adapter and those the engine is running with it."""
        return max(self._held[name], self.running(name))

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Count a request to the adapter as in flight, and make the adapter the current one."""
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
        """The model that a facade call goes to when its body has `given` as `model`; None for the base model.

        An adapter named in the body comes first, then the adapter that the request was sent to. `is_strict` keeps an
        unknown name, so that the engine refuses it.
        """
        is_base = not given or (isinstance(given, str) and self.is_base(given))
        if not is_base and (is_strict or not isinstance(given, str) or given in self.loaded()):
            return given
        return asked.get() or (is_base and given) or None

    def code(self, name: str) -> AdapterCode | None:
        """The code for requests that name `name`; None without any."""
        code = self.codes.get(name)
        return code if code is not None and name in self.loaded() else None

    def require(self, name: str) -> None:
        """Raises HTTPException (404) if the name is unknown."""
        if not self.knows(name):
            raise HTTPException(404, f"there is no adapter {name!r}: {self._those_loaded()}")

    async def load(self, name: str, source: str, code: CodePolicy = TRUSTED) -> None:
        """Load the adapter's code, if there is any, and its weights. If either fails, neither stays.

        Raises HTTPException: 400 if the name or the adapter is refused, 403 if it has code and `code` refuses that, 404
        if there is no adapter at `source`, 500 if its files cannot be read, 501 if there is no engine, 507 if `most`
        are loaded. Raises HandlerFault if its code is at fault."""
        if not _NAME.fullmatch(name):
            raise HTTPException(
                400, f"{name!r} is no name for an adapter: write letters, digits and . _ : @ + -, 256 at most"
            )
        await self._alone(name, lambda: self._load(name, source, code))

    async def unload(self, name: str, *, is_forced: bool = False) -> None:
        """Raises HTTPException: 404 if it is not loaded, 409 if it is in use and not `is_forced`."""
        await self._alone(name, lambda: self._unload(name, is_forced=is_forced))

    async def _load(self, name: str, source: str, policy: CodePolicy) -> None:
        if self.is_base(name):
            raise HTTPException(400, f"{name!r} is the name of the model itself: choose another for the adapter")
        if name in self.loaded():
            where = self.loaded()[name]
            raise HTTPException(400, f"the adapter {name!r} is loaded already, from {where}: unload it first")
        if len(self.loaded().keys() | self._loading) >= self.most:
            raise HTTPException(507, f"{self.most:g} adapters are loaded: unload one, or set HANDRAIL_MAX_ADAPTERS")
        self._loading.add(name)
        try:
            folder = await self.find(source)
            code = await in_thread(lambda: _code(name, folder, policy), "adapter")
            self.put_code(name, code)
            await self.add(name, folder, source)
        except BaseException:
            self.put_code(name, None)
            raise
        finally:
            self._loading.discard(name)
        log.info("the adapter %s is loaded from %s", name, self.loaded()[name])
        for sentence in code.sentences() if code is not None else ():
            log.info("the adapter %s: %s", name, sentence)

    def put_code(self, name: str, code: AdapterCode | None) -> None:
        """Keep the code of an adapter that is being loaded, or None: that of an earlier one ends with its requests."""
        earlier = self.codes.pop(name, None)
        if earlier is not None and earlier is not code:
            earlier.close()
        if code is not None:
            self.codes[name] = code

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
        try:
            await self.remove(name, is_idle=not count)
        finally:
            self.put_code(name, self.codes.get(name) if name in self.loaded() else None)
        log.info("the adapter %s is unloaded", name)

    async def _alone(self, name: str, change: Callable[[], Coroutine[Any, Any, None]]) -> None:
        lock = self._locks.setdefault(name, asyncio.Lock())

        async def changed() -> None:
            async with lock:
                await change()

        await asyncio.shield(asyncio.ensure_future(changed()))

    def _those_loaded(self) -> str:
        return f"loaded are {', '.join(map(repr, self.loaded()))}" if self.loaded() else "none is loaded"


def _code(name: str, folder: Path, policy: CodePolicy) -> AdapterCode | None:
    """Raises HandlerFault, HTTPException."""
    present = [file for file in (SCRIPT, TEMPLATE) if (folder / file).is_file()]
    if policy == TRUSTED or not present:
        return adapter_code.load(folder, name)
    if SCRIPT in present and not policy.ignores:
        raise HTTPException(403, f"the adapter in {str(folder)!r} has a {SCRIPT}, {policy.refusal}")
    log.warning("the adapter %s is loaded without its %s, %s", name, " and ".join(present), policy.refusal)
    return None


def local(source: str) -> Path:
    """`source` as an absolute path on this machine. The path need not exist."""
    return Path(source).absolute()


def no_directory(source: str) -> str:
    """One message for both a missing and a forbidden directory, so that it does not reveal which paths exist."""
    return (
        f"there is no directory {source[:200]!r} that an adapter may be loaded from: it has to be below the model "
        "directory, /opt/ml, or one that HANDRAIL_ADAPTERS_PATH names; a hub "
        "id needs HANDRAIL_ADAPTERS_FROM_HUB=true"
    )


def read_config(folder: Path, source: str) -> dict[str, Any]:
    """The adapter's `adapter_config.json`. Raises HTTPException: 404 if there is none, 500 if it cannot be read."""
    if not os.path.isdir(folder):  # unlike Path.is_dir, it returns False for a path that may not be read
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
