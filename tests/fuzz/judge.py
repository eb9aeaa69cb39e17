"""Takes the steps of attacks at a server, and judges what it does: to the attacker, to others, and to its memory."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psutil

from tests.fuzz.client import Client, Patience
from tests.fuzz.corpus import OTHER_S, SMUGGLED_ID
from tests.fuzz.steps import Attack, Leave, Send, Stay

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_SMUGGLED = re.compile(rb"(?i)x-request-id: " + SMUGGLED_ID)
#: Faults of the server. A version or a coding that it does not speak is its client's fault: 505, 501.
_FAULTS = frozenset({500, 502, 503, 504})
_TURN_S = 0.05
MB = 1 << 20


@dataclass
class Outcome:
    """`statuses`: of first answers; `silent`: hung up on without one; `kept`: were quiet, and answered once more, or
    ended with their client; `waiting`: hang; `faults`: what should not be, with the attack's name; `is_over`: nothing
    more is to be tried."""

    statuses: Counter[int] = field(default_factory=Counter)
    silent: int = 0
    kept: int = 0
    waiting: int = 0
    faults: list[str] = field(default_factory=list)
    is_over: bool = False
    slowest_ping_s: float = 0.0
    grown_mb: float = 0.0
    staying: list[socket.socket] = field(default_factory=list)

    def __str__(self) -> str:
        answers = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return (
            f"answers {answers}; hung up on {self.silent}, kept {self.kept}, left waiting {self.waiting}; "
            f"slowest /ping {self.slowest_ping_s * 1000:.0f} ms; {self.grown_mb:.0f} MB more"
        )


class Judge:
    """Attacks the server at `port`, which is process `pid`. What is wrong is in `outcome`."""

    def __init__(self, port: int, pid: int | None = None, patience: Patience | None = None, at_once: int = 100) -> None:
        self.outcome = Outcome()
        self._port = port
        self._patience = patience or Patience()
        self._room = asyncio.Semaphore(at_once)
        self._process = psutil.Process(pid) if pid is not None else None
        self._began_with = self._memory_mb()
        self._may_grow_to = self._began_with + Attack("any", ()).grown_mb
        self._is_blocked = self._is_crowded = False
        self._looking = asyncio.Lock()

    async def in_turn(self, attacks: Iterable[Attack]) -> Outcome:
        """One after the other, until the server is beyond help."""
        return await self._while_watching(self._one_by_one(attacks))

    async def together(self, attacks: Iterable[Attack]) -> Outcome:
        self._is_crowded = True
        return await self._while_watching(self._all(attacks))

    async def _while_watching(self, attacking: Any) -> Outcome:
        tasks = {asyncio.create_task(work) for work in (self._watch(), self._weigh(), attacking)}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
            if not self.outcome.is_over:
                await self._look()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return self.outcome

    async def _one_by_one(self, attacks: Iterable[Attack]) -> None:
        for attack in attacks:
            self._may_grow_to = self._memory_mb() + attack.grown_mb
            await self._attack(attack)

    async def _all(self, attacks: Iterable[Attack]) -> None:
        async with asyncio.TaskGroup() as group:
            for attack in attacks:
                group.create_task(self._attack(attack))

    # What the attacker sees.

    async def _attack(self, attack: Attack) -> None:
        async with self._room, self._client(attack.reads) as client:
            await self._let_block(attack.blocks)
            later = asyncio.create_task(self._say_later(attack.later))
            fault = None
            for step in attack.steps:
                fault = fault or await client.take(step)
            if isinstance(attack.steps[-1], Stay):
                self.outcome.staying.append(client.stay())
            elif not isinstance(attack.steps[-1], Leave):
                self._count(attack, client, fault, is_hung=not await client.end())
            await later
            await self._let_block(False)

    async def _say_later(self, said: bytes) -> None:
        if said:
            await asyncio.sleep(OTHER_S)
            async with self._client() as client:
                await client.take(Send(said))
                await client.end()

    def _count(self, attack: Attack, client: Client, fault: str | None, *, is_hung: bool) -> None:
        statuses = [int(status) for status in _STATUS.findall(client.heard) if status != b"100"]
        if statuses:
            self.outcome.statuses[statuses[0]] += 1
        elif client.has_ended:
            self.outcome.silent += 1
        self.outcome.kept += client.was_asked_again and not is_hung
        self.outcome.waiting += is_hung
        if client.was_asked_again and self._is_crowded:  # of a busy server, perhaps before it had read the attack
            attack = replace(attack, statuses=None)
        for wrong in (fault, "it hangs" if is_hung else None, *_wrong(attack, client.heard, statuses)):
            if wrong is not None:
                self.outcome.faults.append(f"{attack.name}: {wrong}; it said {client.heard[:600]!r}")

    @asynccontextmanager
    async def _client(self, reads: bool = True) -> AsyncIterator[Client]:
        connection = socket.socket()
        if not reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._port))
        client = Client(*await asyncio.open_connection(sock=connection), self._patience)
        if not reads:
            client.stop_reading()
        try:
            yield client
        finally:
            client.close()

    # What others see.

    async def _let_block(self, blocks: bool) -> None:
        async with self._looking:
            self._is_blocked = blocks

    async def _watch(self) -> None:
        """A client in order, all the while. Returns when it is no longer served."""
        while not self.outcome.is_over:
            await self._look()
            await asyncio.sleep(_TURN_S)

    async def _look(self) -> None:
        async with self._looking:
            began = time.monotonic()
            await self._ask(b"/ping", self._patience.guarded_s if self._is_blocked else self._patience.late_s)
            self.outcome.slowest_ping_s = max(self.outcome.slowest_ping_s, time.monotonic() - began)
            if not (self._is_blocked or self.outcome.is_over):
                await self._ask(b"/metrics", self._patience.late_s)

    async def _weigh(self) -> None:
        """Also while nobody is answered: what is taken then may be given back by the next answer."""
        while not self.outcome.is_over:
            memory_mb = self._memory_mb()
            self.outcome.grown_mb = max(self.outcome.grown_mb, memory_mb - self._began_with)
            if memory_mb > self._may_grow_to:
                self._give_up(f"it has grown by {self.outcome.grown_mb:.0f} MB")
            await asyncio.sleep(_TURN_S)

    async def _ask(self, path: bytes, late_s: float) -> None:
        asking = asyncio.create_task(self._answer(path))
        done, _ = await asyncio.wait({asking}, timeout=late_s)
        if not done:
            asking.cancel()
            self._give_up(f"{path.decode()} was not answered within {late_s:g} s")
            return
        answer = asking.result()
        if not answer.startswith(b"HTTP/1.1 200 "):
            self._give_up(f"{path.decode()} was answered {answer[:300]!r}")

    async def _answer(self, path: bytes) -> bytes:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            with contextlib.closing(writer):
                writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path)
                return await reader.read()
        except OSError as error:
            return repr(error).encode()

    def _memory_mb(self) -> float:
        try:
            return self._process.memory_info().rss / MB if self._process is not None else 0
        except psutil.NoSuchProcess:  # which its clients say
            return 0

    def _give_up(self, why: str) -> None:
        self.outcome.is_over = True
        self.outcome.faults.append(f"others: {why}")


def _wrong(attack: Attack, heard: bytes, statuses: list[int]) -> Iterable[str]:
    """What an answer shows by itself."""
    if not _FAULTS.isdisjoint(statuses):
        yield "the server says that it is its own fault"
    if heard and not heard.startswith(b"HTTP/1.1 "):
        yield "this is no answer"
    if _SMUGGLED.search(heard):
        yield "a request in the body of another was answered"
    if attack.statuses is not None and tuple(statuses) != attack.statuses:
        yield f"the answers are {statuses}, not {attack.statuses}"
