"""Manages the LoRA slots of an engine on a CPU: which adapters occupy them, and which one is evicted for another.

vLLM has `max_loras` slots and evicts the least recently used adapter. On a CPU it answers a request without an adapter
with the one in the last slot if the batch has another adapter's request (vllm-project/vllm#48421). So vLLM is given
one slot more than is used here: if the others are taken, an adapter is evicted before the next is loaded. Any number
of adapters may be loaded; a request waits only while all slots are held by running requests of other adapters.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any


class Places:
    """The slots of one engine, which holds at most `most` adapters at once."""

    def __init__(self, client: Any, most: int) -> None:
        """Replaces the methods of `client` that use adapters."""
        self._most = most
        self._add, self._remove = client.add_lora, client.remove_lora
        self._users: Counter[int] = Counter()
        #: The adapters in the slots, the least recently used first.
        self._there: dict[int, None] = {}
        self._entering = asyncio.Lock()
        self._left = asyncio.Event()
        client.add_lora, client.remove_lora = self.add, self.remove
        client.generate, client.encode = self._held(client.generate), self._held(client.encode)

    async def add(self, lora: Any) -> bool:
        """Replaces the engine's `add_lora`: load the adapter, or reload it if `lora` says so."""
        async with self._holding(lora, is_new=True):
            return True

    async def remove(self, number: int) -> bool:
        """Replaces the engine's `remove_lora`. An adapter in use is loaded again by the next step of its requests."""
        if not self._users[number]:
            self._there.pop(number, None)
        return bool(await self._remove(number))

    def _held(self, ask: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        """`ask`, with its adapter kept in a slot until it has answered."""

        def asked(*given: Any, lora_request: Any = None, **named: Any) -> AsyncIterator[Any]:
            if lora_request is None:
                return ask(*given, **named)
            return self._with(lora_request, lambda: ask(*given, lora_request=lora_request, **named))

        return asked

    async def _with(self, lora: Any, ask: Callable[[], Any]) -> AsyncIterator[Any]:
        async with self._holding(lora), aclosing(ask()) as outputs:
            async for output in outputs:
                yield output

    @asynccontextmanager
    async def _holding(self, lora: Any, *, is_new: bool = False) -> AsyncIterator[None]:
        number = lora.lora_int_id
        if is_new or number not in self._there:
            await self._enter(lora, is_new=is_new)
        else:
            self._users[number] += 1
        try:
            self._there[number] = self._there.pop(number, None)  # now the most recently used
            yield
        finally:
            self._leave(number)

    async def _enter(self, lora: Any, *, is_new: bool) -> None:
        """Load the adapter into a slot and count its user. Callers run one at a time, in FIFO order."""
        number = lora.lora_int_id
        async with self._entering:
            self._users[number] += 1  # only now: a waiting request must not hold a slot
            try:
                if is_new or number not in self._there:
                    await self._make_room(number)
                    await self._load(lora)
            except BaseException:
                self._leave(number)
                raise

    async def _load(self, lora: Any) -> None:
        """Load the adapter before the request begins. A failure here is an error response; in the request's first step
        it would end the engine."""
        number = lora.lora_int_id
        try:
            await self._add(lora)
        except BaseException:
            if number not in self._there:
                with contextlib.suppress(Exception):  # remove a partly loaded adapter, if the engine is alive
                    await self._remove(number)
            raise
        self._there[number] = None

    async def _make_room(self, number: int) -> None:
        while len(self._there.keys() - {number}) >= self._most:
            idle = next((other for other in self._there if not self._users[other] and other != number), None)
            if idle is not None:
                await self.remove(idle)
            else:
                self._left.clear()
                await self._left.wait()

    def _leave(self, number: int) -> None:
        self._users[number] -= 1
        if not self._users[number]:
            del self._users[number]
            self._left.set()
