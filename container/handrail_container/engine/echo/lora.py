"""The echo engine's adapters: they have names, and change no answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from handrail_container.engine.lora import Adapters, local, read_config
from handrail_container.process.threads import in_thread

T = TypeVar("T")


class EchoAdapters(Adapters):
    def __init__(self, model: str, sources: Mapping[str, str] = MappingProxyType({})) -> None:
        """`sources` are the adapters that are there from the start."""
        super().__init__()
        self._model = model
        self._sources = dict(sources)
        self._running: Counter[str] = Counter()

    def loaded(self) -> Mapping[str, str]:
        return self._sources

    def is_base(self, name: str) -> bool:
        return name == self._model

    def running(self, name: str) -> int:
        return self._running[name]

    async def find(self, source: str) -> Path:
        folder = local(source)
        await in_thread(lambda: read_config(folder, source), "adapter")
        return folder

    async def add(self, name: str, folder: Path, source: str) -> None:
        self._sources[name] = str(folder)

    async def remove(self, name: str, *, is_idle: bool) -> None:
        del self._sources[name]

    async def counted(self, name: str, outputs: AsyncIterator[T]) -> AsyncIterator[T]:
        """Yield `outputs`, counting the request as running with `name`, an adapter or the model itself."""
        self._running[name] += 1
        try:
            async with aclosing(outputs):  # type: ignore[type-var]  # an async generator
                async for output in outputs:
                    yield output
        finally:
            self._running[name] -= 1
