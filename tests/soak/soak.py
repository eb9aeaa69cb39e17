"""A mixed load on one server, which must not grow by it, nor lose an answer, nor count otherwise than its clients."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # it has no types of its own

from tests.servers import Served
from tests.soak.client import Ask, Client, Leaves, Lost, Refused

MODEL = Path(__file__).parent / "model"
DEMO = Path(__file__).parents[2] / "examples" / "model"

_RELOAD_S = 2.0
_SETTLE_S = 15.0
_WARM_UP = 3000
_MAX_GROWTH = 1.10
_PACE = {"HANDRAIL_ECHO_TTFT_MS": "5", "HANDRAIL_ECHO_ITL_MS": "2"}

_CHAT = {"messages": [{"role": "user", "content": "What does exit code 3 mean?"}], "max_tokens": 8}
_LONG = {
    "messages": [{"role": "user", "content": "word " * 400}],
    "max_tokens": 400,
    "ignore_eos": True,
    "stream": True,
}
_WAIT = {"do": "wait"}


def _invocation(ask: object, leaves: Leaves | None = None) -> Ask:
    return Ask("/invocations", {"do": "ask", "ask": ask}, leaves=leaves)


#: How often of a hundred times, and how a client sees it end.
_KINDS: tuple[tuple[int, str, Ask], ...] = (
    (35, "ok", _invocation(_CHAT)),
    (15, "ok", Ask("/v1/chat/completions", _CHAT)),
    (15, "ok", _invocation({**_CHAT, "stream": True})),
    (10, "ok", Ask("/v1/chat/completions", {**_CHAT, "stream": True})),
    (8, "handler_error", Ask("/invocations", {"do": "fail"})),
    (8, "client_error", Ask("/invocations", "{not json")),
    (2, "timeout", Ask("/invocations", _WAIT, headers="X-Handrail-Timeout-S: 0.2\r\n")),
    (2, "cancelled", Ask("/invocations", _WAIT, leaves=Leaves.AT_ONCE)),
    (2, "cancelled", Ask("/invocations", _WAIT, leaves=Leaves.WAITING)),
    (2, "cancelled", _invocation(_LONG, leaves=Leaves.MIDSTREAM)),
    (1, "cancelled", Ask("/v1/chat/completions", _LONG, leaves=Leaves.MIDSTREAM)),
)


@dataclass(frozen=True)
class Size:
    rss_mb: float
    descriptors: int
    threads: int
    tasks: int

    def exceeds(self, other: Size) -> list[str]:
        """What is larger than it was; memory has some room."""
        grown = [field.name for field in fields(self) if getattr(self, field.name) > getattr(other, field.name)]
        return [name for name in grown if name != "rss_mb" or self.rss_mb > _MAX_GROWTH * other.rss_mb]

    def __str__(self) -> str:
        return f"RSS {self.rss_mb:.1f} MB, {self.descriptors} descriptors, {self.threads} threads, {self.tasks} tasks"


class Soak:
    """`seen` counts ends as the clients saw them, `counted` as `/metrics` does."""

    def __init__(self, engine: str, clients: int, seed: int, warm_up: int = _WARM_UP) -> None:
        self.seen: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.unexpected: Counter[str] = Counter()
        self.sizes: list[Size] = []
        self.reloads = 0
        self._engine, self._clients, self._warm_up = engine, clients, warm_up
        self._random = random.Random(seed)
        self._left = 0
        self._until = 0.0

    @property
    def complaints(self) -> list[str]:
        first, last = self.sizes
        said = [f"{name} grew" for name in last.exceeds(first)]
        said += [f"lost: {count} {how}" for how, count in self.lost.items()]
        said += [f"unexpected: {count} {what}" for what, count in self.unexpected.items()]
        return said if self.seen == self.counted else [*said, "clients and /metrics disagree"]

    @property
    def is_good(self) -> bool:
        return not self.complaints

    def __str__(self) -> str:
        first, last = self.sizes
        names = sorted(self.seen | self.counted)
        rows = [f"  {name:14} {self.seen[name]:8} {self.counted[name]:8}" for name in names]
        return "\n".join(
            [
                f"{self.seen.total()} requests, {self.reloads} reloads, {self.lost.total()} lost",
                f"after the warm-up: {first}",
                f"at the end:        {last}",
                f"  {'outcome':14} {'clients':>8} {'metrics':>8}",
                *rows,
                *(self.complaints or ["nothing grew, nothing was lost"]),
            ]
        )

    def run(self, requests: int, seconds: float) -> None:
        """So many requests, or for so long where `requests` is 0, after the warm-up."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(shutil.copytree(MODEL, Path(scratch, "model")))
            given = {"HANDRAIL_ENGINE": self._engine, "HANDRAIL_LOG_FORMAT": "json", **_PACE}
            served = Served(folder, Path(scratch, "log"), "--watch", "--default-model", DEMO, **given)
            try:
                served.ready(300)
                asyncio.run(self._load(served, folder, self._warm_up, 0))
                self.sizes.append(self._settled(served))
                asyncio.run(self._load(served, folder, requests, seconds))
                self.sizes.append(self._settled(served))
                self.counted = _outcomes(served.http)
            finally:
                served.stop()

    def _settled(self, served: Served) -> Size:
        """How large it is once nothing is left of the load, or when there has been time enough for that."""
        deadline = time.monotonic() + _SETTLE_S
        size = _size(served)
        while time.monotonic() < deadline and (not self.sizes or size.exceeds(self.sizes[0])):
            time.sleep(0.5 if self.sizes else _SETTLE_S / 2)
            size = _size(served)
        return size

    async def _load(self, served: Served, folder: Path, requests: int, seconds: float) -> None:
        self._left = requests
        self._until = time.monotonic() + (seconds if not requests else float("inf"))
        editing = asyncio.create_task(self._edit(folder))
        await asyncio.gather(*(self._client(served.port) for _ in range(self._clients)))
        editing.cancel()
        with suppress(asyncio.CancelledError):
            await editing

    async def _edit(self, folder: Path) -> None:
        script = folder / "model.py"
        while True:
            await asyncio.sleep(_RELOAD_S)
            self.reloads += 1
            script.write_text(re.sub(r"\n# edit .*\n|\Z", f"\n# edit {self.reloads}\n", script.read_text(), count=1))

    def _goes_on(self) -> bool:
        self._left -= 1
        return self._left >= 0 or (self._until < float("inf") and time.monotonic() < self._until)

    async def _client(self, port: int) -> None:
        client, weights = Client(port), [weight for weight, _, _ in _KINDS]
        while self._goes_on():
            ((_, expected, asked),) = self._random.choices(_KINDS, weights)
            try:
                seen = _outcome(await client.ask(asked))
            except (Lost, Refused) as lost:
                self.lost[repr(lost)] += 1
                continue
            self.seen[seen] += 1
            if seen != expected:
                self.unexpected[f"{seen} at {asked.path} in place of {expected}"] += 1
        client.close()


def _outcome(status: int) -> str:
    """What `/metrics` calls an answer that a client saw; 0 is one that it did not wait for."""
    by_status = {0: "cancelled", 503: "rejected", 504: "timeout"}
    by_class = {2: "ok", 4: "client_error", 5: "handler_error"}
    return by_status.get(status) or by_class[status // 100]


def _size(served: Served) -> Size:
    process = psutil.Process(served.process.pid)
    tasks = re.search(r"(?m)^handrail_tasks (\S+)$", served.http.get("/metrics").text)
    assert tasks is not None
    rss = process.memory_info().rss / 1e6
    return Size(rss, process.num_fds(), process.num_threads(), int(float(tasks[1])))


def _outcomes(http: httpx.Client) -> Counter[str]:
    found = re.findall(r'(?m)^handrail_invocations_total{outcome="(\w+)"} (\S+)$', http.get("/metrics").text)
    return Counter({name: int(float(count)) for name, count in found if float(count)})
