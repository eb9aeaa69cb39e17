"""How many run and wait, in which order, and for how long."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from handrail_container.gate.admission import Lane, Overloaded
from handrail_container.gate.exchange import Exchange
from handrail_container.settings.fields import Settings
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served

SCRIPT = "takes_its_time.py"
RUNNING, WAITING = 2, 3

#: What happens next; where it is about one that waits or runs, which one.
ACTIONS = st.tuples(
    st.sampled_from(["enter", "leave", "cancel", "leave_then_cancel", "leave_and_cancel", "cancel_then_leave"]),
    st.integers(0, 9),
)


async def nowhere(message: Message) -> None:
    raise AssertionError(f"nothing is sent: {message}")


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Crowd:
    """Requests at a lane, and what should have become of them."""

    def __init__(self) -> None:
        self.lane = Lane(Settings(HANDRAIL_MAX_CONCURRENCY=RUNNING, HANDRAIL_MAX_QUEUE=WAITING))
        self.running: list[asyncio.Task[None]] = []
        self.waiting: list[asyncio.Task[None]] = []
        self.inside: list[asyncio.Task[None]] = []
        self._releases: dict[asyncio.Task[None], asyncio.Event] = {}
        self._app = self.lane.around(self._hold)

    async def _hold(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.inside.append(task)
        try:
            await self._releases[task].wait()
        finally:
            self.inside.remove(task)

    async def _ask(self) -> None:
        scope: Scope = {"type": "http", "headers": []}
        Exchange(scope, nowhere)
        await self._app(scope, self._never, nowhere)

    async def _never(self) -> Message:
        raise AssertionError("nobody reads")

    async def enter(self, _: int) -> None:
        task = asyncio.create_task(self._ask())
        self._releases[task] = asyncio.Event()
        await settled()
        if len(self.running) < RUNNING:
            self.running.append(task)
        elif len(self.waiting) < WAITING:
            self.waiting.append(task)
        else:
            with pytest.raises(Overloaded) as refused:
                await task
            assert int(refused.value.headers["Retry-After"]) >= 1  # type: ignore[index]

    async def leave(self, which: int) -> None:
        if self.running:
            self._releases[self.running.pop(which % len(self.running))].set()
            self._next()

    async def cancel(self, which: int) -> None:
        if self.waiting:
            self.waiting.pop(which % len(self.waiting)).cancel()

    async def leave_then_cancel(self, which: int) -> None:
        """The place is handed to one that is cancelled before it can take it."""
        if self.running and self.waiting:
            self._releases[self.running.pop(which % len(self.running))].set()
            await asyncio.sleep(0)
            self.waiting.pop(0).cancel()
            self._next()

    async def leave_and_cancel(self, which: int) -> None:
        """The place is about to be handed to one that is cancelled: the next one has it."""
        if self.running and self.waiting:
            self._releases[self.running.pop(which % len(self.running))].set()
            self.waiting.pop(0).cancel()
            self._next()

    async def cancel_then_leave(self, which: int) -> None:
        """Both before either is noticed."""
        await self.cancel(which)
        await self.leave(which)

    def _next(self) -> None:
        if self.waiting:
            self.running.append(self.waiting.pop(0))

    def check(self) -> None:
        assert (self.lane.running, self.lane.waiting) == (len(self.running), len(self.waiting))
        assert set(self.inside) == set(self.running)

    async def end(self) -> None:
        for task in self._releases:
            task.cancel()
        await asyncio.gather(*self._releases, return_exceptions=True)
        assert (self.lane.running, self.lane.waiting) == (0, 0)


@given(st.lists(ACTIONS, max_size=25))
def test_no_place_is_ever_lost_and_the_first_to_come_is_the_first_to_go_in(actions: list[tuple[str, int]]) -> None:
    """Whatever comes, leaves and is cancelled, in whatever order, also in the same moment."""

    async def happen() -> None:
        crowd = Crowd()
        for name, which in actions:
            action: Callable[[int], Awaitable[None]] = getattr(crowd, name)
            await action(which)
            await settled()
            crowd.check()
        await crowd.end()

    asyncio.run(happen())


@pytest.mark.parametrize("action", ["leave_then_cancel", "leave_and_cancel", "cancel_then_leave"])
async def test_two_things_in_one_moment(action: str) -> None:
    """What the sequences above find only by chance."""
    crowd = Crowd()
    for _ in range(RUNNING + 2):
        await crowd.enter(0)
    await getattr(crowd, action)(0)
    await settled()
    crowd.check()
    await crowd.end()


def client_of(served: Served) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=served.url, timeout=60, trust_env=False, verify=False, limits=limits)


def ask(client: httpx.AsyncClient, timeout_s: object = None, **body: Any) -> asyncio.Task[httpx.Response]:
    headers = {} if timeout_s is None else {"X-Handrail-Timeout-S": str(timeout_s)}
    return asyncio.create_task(client.post("/invocations", json=body, headers=headers))


async def metric(client: httpx.AsyncClient, name: str) -> float:
    (line,) = re.findall(rf"(?m)^{re.escape(name)} (\S+)", (await client.get("/metrics")).text)
    return float(line)


async def until(client: httpx.AsyncClient, name: str, value: float) -> None:
    while await metric(client, name) != value:
        await asyncio.sleep(0.01)


async def test_so_many_run_so_many_wait_and_the_rest_are_sent_away(launch: Launch) -> None:
    """503 with Retry-After; /ping and /metrics never wait; the order is that of coming; who leaves frees a place."""
    limits = {"HANDRAIL_MAX_CONCURRENCY": "1", "HANDRAIL_MAX_QUEUE": "3"}
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=SCRIPT, **limits).ready()
    async with client_of(served) as client:
        tasks = []
        for name in ("a", "b", "leaves", "c"):
            tasks.append(ask(client, do="wait", s=1.5 if name == "a" else 0, name=name))
            await until(client, "handrail_queued", len(tasks) - 1)
        rejected = await ask(client, do="wait", s=0)
        assert (await client.get("/ping")).status_code == 200
        tasks[2].cancel()
        await until(client, "handrail_queued", 2)
        tasks.append(ask(client, do="wait", s=0, name="d"))
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await until(client, "handrail_in_flight", 0)
        counted = {name: await metric(client, f'handrail_invocations_total{{outcome="{name}"}}') for name in
                   ("ok", "rejected", "cancelled")}  # fmt: skip
    assert (rejected.status_code, rejected.json()["error"]["type"]) == (503, "service_unavailable")
    assert int(rejected.headers["retry-after"]) >= 1
    assert "HANDRAIL_MAX_CONCURRENCY, HANDRAIL_MAX_QUEUE" in rejected.json()["error"]["message"]
    assert [getattr(answer, "status_code", 0) for answer in answers] == [200, 200, 0, 200, 200]
    assert re.findall(r"(?m)INFO .*: done (\S+)", served.stderr) == ["a", "b", "c", "d"]
    assert counted == {"ok": 4, "rejected": 1, "cancelled": 1}


def test_a_handler_that_calls_our_own_v1_does_not_wait_for_itself(serving: Launch) -> None:
    """The engine's routes are counted apart."""
    served = serving(SCRIPT, HANDRAIL_MAX_CONCURRENCY="1", HANDRAIL_MAX_QUEUE="0")
    answer = served.http.post("/invocations", json={"do": "ask_v1"})
    assert answer.json()["choices"][0]["text"] == "from inside"


@pytest.fixture
def hasty(serving: Launch) -> Served:
    return serving(SCRIPT, HANDRAIL_INVOCATION_TIMEOUT_S="1", HANDRAIL_MAX_CONCURRENCY="1")


@pytest.mark.parametrize("do", ["wait", "stubborn", "thread"])
async def test_what_takes_too_long_is_504(hasty: Served, do: str) -> None:
    """Whether the handler heeds it or not; the header lowers the limit, and never raises it."""
    async with client_of(hasty) as client:
        for timeout_s, limit in ((None, "1"), (0.2, "0.2"), (100, "1")):
            answer = await ask(client, timeout_s, do=do, s=2.5)
            assert (answer.status_code, answer.json()["error"]["type"]) == (504, "timeout")
            assert f"not done within {limit} s (HANDRAIL_INVOCATION_TIMEOUT_S" in answer.json()["error"]["message"]
            await until(client, "handrail_in_flight", 0)


async def test_to_wait_counts(hasty: Served) -> None:
    """A request that is not admitted in its time is 504 too, and its place in the queue is free."""
    async with client_of(hasty) as client:
        first = ask(client, do="wait", s=0.8)
        await until(client, "handrail_in_flight", 1)
        assert (await ask(client, 0.2, do="wait", s=0)).status_code == 504
        assert await metric(client, "handrail_queued") == 0
        assert (await first).status_code == 200


async def test_a_stream_that_takes_too_long_ends_with_an_error(serving: Launch) -> None:
    """HANDRAIL_STREAM_TIMEOUT_S, or what the header says; its first piece has the other limit."""
    served = serving(SCRIPT, HANDRAIL_INVOCATION_TIMEOUT_S="0.5", HANDRAIL_STREAM_TIMEOUT_S="1")
    async with client_of(served) as client:
        whole = await ask(client, do="events", n=8, s=0.1)
        late = await ask(client, do="events", n=600, s=0.1)
        lowered = await ask(client, 0.2, do="events", n=600, s=0.1)
    assert whole.text.endswith("data: [DONE]\n\n")
    for answer, limit in ((late, "1"), (lowered, "0.2")):
        last = answer.text.strip().split("\n\n")[-1]
        assert last.startswith("event: error\ndata: ")
        assert f"not done within {limit} s (HANDRAIL_STREAM_TIMEOUT_S" in last
        assert '"code":504' in last


@pytest.mark.parametrize("value", ["", "soon", "0", "-1", "nan", "inf"])
async def test_a_limit_that_is_none_is_400(hasty: Served, value: str) -> None:
    """Quoted, with what to write instead."""
    async with client_of(hasty) as client:
        answer = await ask(client, value, do="wait", s=0)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == (
        f"X-Handrail-Timeout-S is {value!r}; give it a number of seconds over 0"
    )
