"""Generation through vLLM: what is left of the engine's tokens a second once HTTP is in between."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.bench import client, peers
from tests.bench.running import Missing, Running, all_running
from tests.bench.table import Chart, Effort, Series, Table, load_average, verdict
from tests.compat.launchers import ROOT

CONCURRENT = (1, 16, 64, 256)
TOKENS = 64
_HEADER = (
    "concurrent",
    "streamed",
    "server",
    "tokens a second",
    "TTFT p50 ms",
    "TTFT p99 ms",
    "gap p50 ms",
    "gap p99 ms",
)
#: Requests in a round, for each one that runs at a time.
_TURNS = 3
_MESSAGES = [{"role": "user", "content": "What does /ping do?"}]


@dataclass(frozen=True)
class Speed:
    """One round's. Where nothing is streamed there are no gaps, and the first token is the last."""

    tokens_a_second: float
    first_s: list[float]
    gaps_s: list[float]


async def _round(port: int, sent: bytes, at_a_time: int, requests: int) -> list[client.Seen]:
    left = iter(range(requests))
    seen: list[client.Seen] = []

    async def one() -> None:
        for _ in left:
            seen.append(await client.ask(port, sent))

    await asyncio.gather(*(one() for _ in range(at_a_time)))
    return seen


def _speed(server: Running, at_a_time: int, is_streamed: bool) -> Speed:
    body = {"messages": _MESSAGES, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True, "stream": is_streamed}
    if is_streamed:
        body["stream_options"] = {"include_usage": True}
    sent = client.request(server.peer.path, body)
    began = time.perf_counter()
    seen = asyncio.run(_round(server.port, sent, at_a_time, max(8, _TURNS * at_a_time)))
    took = time.perf_counter() - began
    counted = sum(one.tokens for one in seen)
    assert counted == TOKENS * len(seen), f"{server.peer.title}: {counted} tokens of {TOKENS * len(seen)}"
    firsts = [one.first_s if is_streamed else one.ended_at - one.asked_at for one in seen]
    return Speed(counted / took, firsts, [gap for one in seen for gap in one.gaps_s])


def _engine_alone(at_a_time: int) -> float:
    """Tokens a second of an AsyncLLM that this machine's Python drives without HTTP. Raises Missing."""
    flags = [str(ROOT / "tests" / "bench" / "engine_alone.py"), str(at_a_time), str(max(8, _TURNS * at_a_time))]
    command = ["taskset", "-c", "0,1", sys.executable, *flags, str(TOKENS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise Missing(f"AsyncLLM alone did not run: {done.stderr[-500:]}")
    return float(done.stdout.split()[-1])


def measure(effort: Effort) -> Table:
    asked = (peers.ours("ours", "Handrail", "", engine="vllm"), peers.stock())
    wanted = [replace(peer, path="/v1/chat/completions", ready="/health") for peer in asked if effort.wants(peer.name)]
    missing: list[str] = []
    alone: dict[int, float] = {}
    if effort.wants("engine"):
        for at_a_time in CONCURRENT:
            try:
                alone[at_a_time] = _engine_alone(at_a_time)
            except Missing as reason:
                missing.append(str(reason))
                break
    speeds, absent = _speeds(wanted, effort)
    return _table(speeds, alone, missing + absent, effort)


Speeds = Mapping[tuple[int, bool, str], list[Speed]]


def _speeds(wanted: list[peers.Peer], effort: Effort) -> tuple[Speeds, list[str]]:
    """Both servers are up at once and asked in turn: what the machine's other work takes, it takes from both."""
    speeds: dict[tuple[int, bool, str], list[Speed]] = {}
    with all_running(wanted, cores="0,1") as (servers, missing):
        for server in servers:
            _speed(server, 16, True)
        for at_a_time in CONCURRENT:
            for is_streamed in (True, False):
                for _ in range(effort.rounds):
                    for server in servers:
                        key = at_a_time, is_streamed, server.peer.title
                        speeds.setdefault(key, []).append(_speed(server, at_a_time, is_streamed))
    return speeds, missing


def _table(speeds: Speeds, alone: Mapping[int, float], missing: list[str], effort: Effort) -> Table:
    rows = [_row(key, rounds) for key, rounds in speeds.items()]
    rows += [(str(many), "", "AsyncLLM without HTTP", f"{speed:,.0f}", "", "", "", "") for many, speed in alone.items()]
    medians = {key: statistics.median(one.tokens_a_second for one in rounds) for key, rounds in speeds.items()}
    how = (
        f"`POST /v1/chat/completions`, {TOKENS} tokens each, the demo model, the same flags and executor; client and "
        f"servers share both cores; medians of {effort.rounds} rounds, turn by turn. Load average at the end: "
        f"{load_average()}."
    )
    names = sorted({name for _, is_streamed, name in speeds if is_streamed})
    series = [Series(name, [(many, medians[many, True, name]) for many in CONCURRENT]) for name in names]
    if len(alone) == len(CONCURRENT):
        series.append(Series("AsyncLLM without HTTP", list(alone.items())))
    charts = (Chart("Tokens a second, streamed, against concurrency", "1/s", series, is_log=True),) if series else ()
    title = "Generation through vLLM"
    return Table("generate", title, how, _HEADER, rows, _verdicts(speeds, medians, alone), missing, charts)


def _verdicts(speeds: Speeds, medians: Mapping[tuple[int, bool, str], float], alone: Mapping[int, float]) -> list[str]:
    ours, stock = (64, True, "Handrail"), (64, True, peers.stock().title)
    if ours not in speeds:
        return []
    verdicts = []
    if stock in speeds:
        verdicts.append(
            verdict("64 streams, tokens/s over stock's:", medians[ours] / medians[stock], 1.2, at_least=True)
        )
        verdicts.append(
            verdict("64 streams, TTFT p50 over stock's:", _first(speeds[ours]) / _first(speeds[stock]), 0.7)
        )
    if 64 in alone:
        what = "64 streams, tokens/s over the engine's alone:"
        verdicts.append(verdict(what, medians[ours] / alone[64], 0.9, at_least=True))
    return verdicts


def _first(rounds: list[Speed]) -> float:
    return statistics.median(first for one in rounds for first in one.first_s)


def _row(key: tuple[int, bool, str], rounds: list[Speed]) -> tuple[str, ...]:
    at_a_time, is_streamed, name = key
    firsts = sorted(first for one in rounds for first in one.first_s)
    gaps = sorted(gap for one in rounds for gap in one.gaps_s)
    tokens = statistics.median(one.tokens_a_second for one in rounds)
    said = [_ms(firsts, 0.5), _ms(firsts, 0.99), _ms(gaps, 0.5), _ms(gaps, 0.99)]
    return (str(at_a_time), "yes" if is_streamed else "no", name, f"{tokens:,.0f}", *said)


def _ms(values: list[float], part: float) -> str:
    return f"{values[min(len(values) - 1, int(part * len(values)))] * 1000:.1f}" if values else ""
