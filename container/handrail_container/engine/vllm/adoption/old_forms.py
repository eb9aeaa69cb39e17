"""What older versions of vLLM's asynchronous engine gave: an inner engine, requests to iterate, tokenizers to await."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Generator
from contextlib import aclosing
from typing import Any, cast


class InnerEngine:
    """`engine.engine`, and what was in it."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @property
    def tokenizer(self) -> Any:
        return _Tokenizers(self._engine.get_tokenizer())

    def get_tokenizer(self, *given: Any) -> Any:
        return self._engine.get_tokenizer()

    def get_model_config(self) -> Any:
        return self._engine.model_config


class _Tokenizers:
    """`engine.engine.tokenizer`, which was a group with the tokenizer in it."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tokenizer, name)

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self.tokenizer(*given, **named)


class AddedRequest:
    """A request that has started: its outputs wait until they are iterated."""

    def __init__(self, outputs: AsyncIterator[Any]) -> None:
        self._items: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.create_task(self._pour(outputs))

    async def _pour(self, outputs: AsyncIterator[Any]) -> None:
        try:
            async with aclosing(outputs):  # type: ignore[type-var]  # an async generator
                async for output in outputs:
                    self._items.put_nowait(output)
        except Exception as error:  # noqa: BLE001  raised again where it is iterated
            self._items.put_nowait(error)
        finally:
            self._items.put_nowait(None)

    def __await__(self) -> Generator[Any, None, AddedRequest]:
        yield from asyncio.sleep(0).__await__()
        return self

    def __aiter__(self) -> AddedRequest:
        return self

    async def __anext__(self) -> Any:
        item = await self._items.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item

    async def aclose(self) -> None:
        self._task.cancel()

    def __del__(self) -> None:
        with contextlib.suppress(RuntimeError):  # its loop has closed
            self._task.cancel()


@functools.cache
def _awaitable_class(cls: Any) -> Any:
    def __await__(self: Any) -> Generator[Any, None, Any]:
        return self
        yield  # a generator function

    return type(cls.__name__, (cls,), {"__await__": __await__, "__module__": cls.__module__})


def awaitable(tokenizer: Any) -> Any:
    """The tokenizer, which `await` also gives."""
    tokenizer.__class__ = _awaitable_class(cast(Any, type(tokenizer)))
    return tokenizer
