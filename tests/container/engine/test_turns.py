"""Work for many that come at once, spread over turns of the event loop."""

from __future__ import annotations

import asyncio

from handrail_container.engine.turns import Turns


async def test_others_run_between_those_that_come_at_once() -> None:
    turns, done = Turns(2), [0]
    seen: list[int] = []

    async def work() -> None:
        await turns.take()
        done[0] += 1

    tasks = [asyncio.create_task(work()) for _ in range(7)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        seen.append(done[0])
    assert max(later - earlier for earlier, later in zip([0, *seen], seen, strict=False)) <= 2
    assert seen[-1] == 7


async def test_who_comes_alone_does_not_wait() -> None:
    turns = Turns(1)
    for _ in range(3):
        asyncio.get_running_loop().call_soon(seen := [].append, 1)
        await turns.take()
        assert seen.__self__ == []  # the loop has not turned
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_it_is_first_come_first_served_and_who_has_left_takes_no_turn() -> None:
    turns, order = Turns(1), []

    async def work(name: int) -> None:
        await turns.take()
        order.append(name)

    tasks = [asyncio.create_task(work(name)) for name in range(5)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    late = asyncio.create_task(work(5))
    await asyncio.gather(*tasks, late, return_exceptions=True)
    assert order == [0, 1, 3, 4, 5]
