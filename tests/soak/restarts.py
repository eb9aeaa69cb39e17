"""Starts and stops under load: every request that was sent is answered, or its connection was never taken."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from pathlib import Path

from tests.servers import HANDRAIL, environment, free_port
from tests.soak.client import Ask, Client, Lost, Refused

MODEL = Path(__file__).parent / "model"

_CLIENTS = 16
#: On an idle machine a start takes less; earlier than 0.3 s, Python itself has not begun.
_START_S = 0.8
_ANSWERING_S = 0.3
_PATIENCE_S = 60.0
_KINDS = (
    Ask("/invocations", {"do": "ask", "ask": {"messages": [{"role": "user", "content": "a b c"}]}}),
    Ask("/invocations", {"do": "ask", "ask": {"messages": [{"role": "user", "content": "a b c"}], "stream": True}}),
    Ask("/v1/completions", {"prompt": "one two three"}),
    Ask("/v1/completions", {"prompt": "one two three"}, headers="Connection: close\r\n"),
)


class Restarts:
    """`seen` counts answers by status, what was refused, and what was lost; `exits` the server's exit statuses."""

    def __init__(self, seed: int) -> None:
        self.seen: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.exits: Counter[int] = Counter()
        self.seed = seed
        self._random = random.Random(seed)
        self._port = free_port()
        self._is_over = False
        self._heard = asyncio.Event()

    @property
    def is_good(self) -> bool:
        return not self.lost and set(self.exits) <= {0, -signal.SIGTERM} and set(self.seen) <= {"200", "503", "refused"}

    def __str__(self) -> str:
        sent = sum(count for what, count in self.seen.items() if what != "refused") + self.lost.total()
        lines = [f"{self.exits.total()} restarts (seed {self.seed}), exit statuses {dict(self.exits)}"]
        lines.append(
            f"{sent} requests sent: " + ", ".join(f"{count} {what}" for what, count in sorted(self.seen.items()))
        )
        return "\n".join(
            [*lines, f"{self.lost.total()} lost", *(f"  {count} {how}" for how, count in self.lost.items())]
        )

    async def run(self, times: int) -> None:
        loads = [asyncio.create_task(self._load()) for _ in range(_CLIENTS)]
        for _ in range(times):
            await self._life()
        self._is_over = True
        await asyncio.gather(*loads)

    async def _life(self) -> None:
        command = [str(HANDRAIL), "serve", str(MODEL), "--host", "127.0.0.1", "--port", str(self._port)]
        given = environment({"HANDRAIL_ENGINE": "echo", "HANDRAIL_ECHO_TTFT_MS": "5", "HANDRAIL_ACCESS_LOG": "off"})
        server = await asyncio.create_subprocess_exec(*command, env=given, stderr=asyncio.subprocess.DEVNULL)
        await self._moment()
        server.send_signal(signal.SIGTERM)
        self.exits[await server.wait()] += 1

    async def _moment(self) -> None:
        """Any of a life's: before it listens, while it loads, in the midst of answers."""
        self._heard.clear()
        if self._random.random() < 0.3:
            await asyncio.sleep(self._random.uniform(0.3, _START_S))
            return
        begins_with = self.seen["200"] if self._random.random() < 0.7 else -1  # any answer will do: it may be loading
        await asyncio.wait_for(self._heard.wait(), _PATIENCE_S)
        while self.seen["200"] == begins_with:
            self._heard.clear()
            await asyncio.wait_for(self._heard.wait(), _PATIENCE_S)
        await asyncio.sleep(self._random.uniform(0, _ANSWERING_S))

    async def _load(self) -> None:
        client = Client(self._port)
        while not self._is_over:
            try:
                self.seen[str(await client.ask(self._random.choice(_KINDS)))] += 1
                self._heard.set()
            except Refused:
                self.seen["refused"] += 1
                await asyncio.sleep(0.01)
            except Lost as lost:
                self.lost[str(lost)] += 1
        client.close()
