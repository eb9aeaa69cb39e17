"""The places for adapters in an engine on a CPU: who is in one, and who has to leave it for another.

vLLM has `max_loras` places and puts what a request needs into them, in place of what was used longest ago. On a CPU it
answers what asks for no adapter with the one in the last place, where another runs in the same batch
(vllm-project/vllm#48421). So one place more is asked of it than is used here: before an adapter is let in, another
leaves where the rest are taken. Any number of adapters may be loaded; a request waits only while as many others run.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any


class Places:
    """Of one engine; `most` adapters are in it at once."""

    def __init__(self, client: Any, most: int) -> None:
        """What goes through `client` from now on goes through here."""
        self._most = most
        self._add, self._remove = client.add_lora, client.remove_lora
        self._users: Counter[int] = Counter()
        #: By when each was last used, the oldest first.
        self._there: dict[int, None] = {}
        self._entering = asyncio.Lock()
        self._left = asyncio.Event()
        client.add_lora, client.remove_lora = self.add, self.remove
        client.generate, client.encode = self._held(client.generate), self._held(client.encode)

    async def add(self, lora: Any) -> bool:
        """As the engine's own: load it, or load it anew where it says so."""
        async with self._holding(lora, is_new=True):
            return True

    async def remove(self, number: int) -> bool:
        """As the engine's own. What is in use comes back with the next step of who uses it."""
        if not self._users[number]:
            self._there.pop(number, None)
        return bool(await self._remove(number))

    def _held(self, ask: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        """`ask`, whose adapter is in a place for as long as it answers."""

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
            self._there[number] = self._there.pop(number, None)  # the last to be used
            yield
        finally:
            self._leave(number)

    async def _enter(self, lora: Any, *, is_new: bool) -> None:
        """One at a time, in the order they come."""
        number = lora.lora_int_id
        async with self._entering:
            self._users[number] += 1  # only now: who waits to enter keeps nobody else out
            try:
                if is_new or number not in self._there:
                    await self._make_room(number)
                    await self._load(lora)
            except BaseException:
                self._leave(number)
                raise

    async def _load(self, lora: Any) -> None:
        """Here a failure is an answer; in the first step of a request it would end the engine."""
        number = lora.lora_int_id
        try:
            await self._add(lora)
        except BaseException:
            if number not in self._there:
                with contextlib.suppress(Exception):  # what was loaded of it, if the engine lives
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
