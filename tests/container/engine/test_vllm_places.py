"""Who is in a place for adapters, on an engine that has them as vLLM has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest
from handrail_container.engine.vllm.places import Places
from hypothesis import given, settings
from hypothesis import strategies as st

MOST = 2


def lora(number: int) -> Any:
    return SimpleNamespace(lora_int_id=number)


class Client:
    """An engine that puts an adapter into the first free place, or that of the one used longest ago. Nothing may get
    into the last one, and an adapter that cannot be read ends an engine that meets it in a step."""

    def __init__(self, *, unreadable: frozenset[int] = frozenset()) -> None:
        self.unreadable = unreadable
        self.places: list[int | None] = [None] * (MOST + 1)
        self.running: set[int] = set()
        self.released = asyncio.Event()
        self.released.set()

    async def add_lora(self, request: Any) -> bool:
        await asyncio.sleep(0)
        if request.lora_int_id in self.unreadable:
            raise ValueError("it cannot be read")
        self._put(request.lora_int_id)
        return True

    async def remove_lora(self, number: int) -> bool:
        await asyncio.sleep(0)
        assert number not in self.running
        if number not in self.places:
            return False
        self.places[self.places.index(number)] = None
        return True

    async def generate(self, prompt: str, *, lora_request: Any = None) -> AsyncIterator[str]:
        if lora_request is None:
            yield prompt
            return
        number = lora_request.lora_int_id
        assert number not in self.unreadable, "the engine has died"
        self._put(number)
        self.running.add(number)
        try:
            yield prompt
            await self.released.wait()
            yield prompt
        finally:
            self.running.discard(number)

    encode = generate

    def _put(self, number: int) -> None:
        if number not in self.places:
            self.places[self.places.index(None)] = number
        assert self.places[-1] is None, "something is in the last place"


async def ask(client: Any, number: int) -> list[str]:
    async with aclosing(client.generate(str(number), lora_request=lora(number))) as outputs:
        return [output async for output in outputs]


async def begun(client: Any, number: int) -> AsyncIterator[str]:
    """A request that the engine works on."""
    running: AsyncIterator[str] = client.generate(str(number), lora_request=lora(number))
    assert await anext(running) == str(number)
    return running


async def left(client: Any, number: int) -> None:
    """A request whose client leaves at once."""
    asked = asyncio.create_task(ask(client, number))
    for _ in range(1 + number):
        await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait([asked])


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def made(**given: Any) -> Client:
    client = Client(**given)
    Places(client, MOST)
    return client


async def loaded(client: Any, number: int) -> None:
    await client.add_lora(lora(number))


@given(
    st.lists(st.tuples(st.sampled_from([ask, ask, loaded, left]), st.integers(0, 5)), max_size=30),
    st.frozensets(st.integers(0, 5), max_size=2),
)
@settings(deadline=None, max_examples=60)
def test_nothing_gets_into_the_last_place_whatever_is_asked_for(
    calls: list[tuple[Callable[[Any, int], Any], int]], unreadable: frozenset[int]
) -> None:
    async def story() -> list[Any]:
        client = made(unreadable=unreadable)
        return await asyncio.gather(*(call(client, number) for call, number in calls), return_exceptions=True)

    failures = [one for one in asyncio.run(story()) if isinstance(one, BaseException)]
    assert all(isinstance(one, ValueError) for one in failures), failures


async def test_what_asks_for_no_adapter_waits_for_none() -> None:
    client = made()
    client.released.clear()
    held = [await begun(client, number) for number in range(MOST)]
    assert [output async for output in client.generate("base")] == ["base"]
    client.released.set()
    for each in held:
        assert [output async for output in each]


async def test_one_more_waits_until_another_is_done_and_takes_its_place() -> None:
    client = made()
    client.released.clear()
    first, _second = [await begun(client, number) for number in range(MOST)]
    waiting = asyncio.create_task(begun(client, 7))
    same = await begun(client, 1)
    await settled()
    assert not waiting.done()
    await first.aclose()  # type: ignore[attr-defined]  # it is a generator
    await waiting
    assert set(client.places) == {7, 1, None}
    await same.aclose()  # type: ignore[attr-defined]


async def test_who_waits_may_leave_and_the_next_is_let_in() -> None:
    client = made()
    client.released.clear()
    first, _second = [await begun(client, number) for number in range(MOST)]
    leaving, staying = asyncio.create_task(begun(client, 7)), asyncio.create_task(begun(client, 8))
    await settled()
    leaving.cancel()
    await settled()
    await first.aclose()  # type: ignore[attr-defined]
    await staying
    assert set(client.places) == {8, 1, None}


async def test_the_one_used_longest_ago_leaves() -> None:
    client = made()
    for number in (0, 1, 0, 2):
        await ask(client, number)
    assert set(client.places) == {0, 2, None}


async def test_one_that_cannot_be_read_any_more_is_an_answer_and_no_death() -> None:
    client = made()
    for number in range(MOST + 1):
        await ask(client, number)
    client.unreadable = frozenset({0})
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be read"):
            await ask(client, 0)
    client.unreadable = frozenset()
    assert await ask(client, 0) == ["0", "0"]


async def test_a_pooling_request_and_one_that_is_removed_count_as_well() -> None:
    client = made()
    for number in range(5):
        async with aclosing(client.encode("x", lora_request=lora(number))) as outputs:
            assert [output async for output in outputs] == ["x", "x"]
        assert await client.remove_lora(number) is True
        assert await client.remove_lora(number) is False
    assert client.places == [None] * (MOST + 1)
