"""Generation through vLLM: what is left of the engine's tokens a second once HTTP is in between."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import uvloop

from tests.bench import client, peers
from tests.bench.running import Missing, Running, all_running
from tests.bench.table import Chart, Effort, Series, Table, load_average, verdict
from tests.compat.launchers import ROOT

#: How many at a time, and how many in a round: some seconds of each on two cores.
LOADS = {1: 8, 16: 32, 64: 128, 256: 256}
TOKENS = 64
#: No round begins that would end later than this, however many are asked for, where there has been one.
_LIMIT_S = 240
_HEADER = (
    "concurrent",
    "streamed",
    "server",
    "tokens a second",
    "CPU µs a token",
    "TTFT p50 ms",
    "TTFT p99 ms",
    "gap p50 ms",
    "gap p99 ms",
)
ALONE = "AsyncLLM without HTTP"
GENERATING = tuple(
    replace(peer, path="/v1/chat/completions", ready="/health")
    for peer in (peers.ours("ours", "Handrail", "", engine="vllm"), peers.stock())
)
_MESSAGES = [{"role": "user", "content": "What does /ping do?"}]


@dataclass(frozen=True)
class Speed:
    """One round's. Where nothing is streamed there are no gaps, and the first token is the last.

    `cpu_us` is the time of the process with the server layer, for a token; the engine's own are not counted.
    """

    tokens_a_second: float
    cpu_us: float
    first_s: list[float]
    gaps_s: list[float]


#: How many at a time, whether streamed, and whose.
Key = tuple[int, bool, str]
Speeds = Mapping[Key, list[Speed]]


async def _round(port: int, sent: bytes, at_a_time: int, requests: int) -> list[client.Seen]:
    left = iter(range(requests))
    seen: list[client.Seen] = []

    async def one() -> None:
        for _ in left:
            seen.append(await client.ask(port, sent))

    await asyncio.gather(*(one() for _ in range(at_a_time)))
    return seen


def speed(server: Running, at_a_time: int, is_streamed: bool) -> Speed:
    """Of one round at one of LOADS."""
    body = {"messages": _MESSAGES, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True, "stream": is_streamed}
    if is_streamed:
        body["stream_options"] = {"include_usage": True}
    sent = client.request(server.peer.path, body)
    began, cpu = time.perf_counter(), server.own_cpu_s()
    seen = uvloop.run(_round(server.port, sent, at_a_time, LOADS[at_a_time]))
    took, cpu = time.perf_counter() - began, server.own_cpu_s() - cpu
    counted = sum(one.tokens for one in seen)
    assert counted == TOKENS * len(seen), f"{server.peer.title}: {counted} tokens of {TOKENS * len(seen)}"
    firsts = [one.first_s if is_streamed else one.ended_at - one.asked_at for one in seen]
    return Speed(counted / took, 1e6 * cpu / counted, firsts, [gap for one in seen for gap in one.gaps_s])


def engine_alone(rounds: int, loads: Mapping[int, int]) -> list[dict[str, Any]]:
    """What an AsyncLLM says of each round that this machine's Python drives without HTTP. Raises Missing."""
    given = [f"{at_a_time}:{requests}" for at_a_time, requests in loads.items()]
    flags = [str(ROOT / "tests" / "bench" / "engine_alone.py"), str(TOKENS), str(rounds), *given]
    command = ["taskset", "-c", "0,1", sys.executable, *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise Missing(f"AsyncLLM alone did not run: {done.stderr[-500:]}")
    return [json.loads(line) for line in re.findall(r"(?m)^\{.*\}$", done.stdout)]


def _alone(rounds: int) -> Speeds:
    speeds: dict[Key, list[Speed]] = {}
    for said in engine_alone(rounds, LOADS):
        speed = Speed(said["tokens_a_second"], said["cpu_us"], said["first_s"], [])
        speeds.setdefault((said["at_a_time"], True, ALONE), []).append(speed)
    return speeds


def measure(effort: Effort) -> Table:
    wanted = [peer for peer in GENERATING if effort.wants(peer.name)]
    speeds: dict[Key, list[Speed]] = {}
    missing: list[str] = []
    if effort.wants("engine"):
        try:
            speeds |= _alone(effort.rounds)
        except Missing as reason:
            missing.append(str(reason))
    measured, absent = _speeds(wanted, effort.rounds)
    return _table({**speeds, **measured}, missing + absent)


def _speeds(wanted: list[peers.Peer], rounds: int) -> tuple[Speeds, list[str]]:
    """Both servers are up at once and asked in turn: what the machine's other work takes, it takes from both."""
    speeds: dict[Key, list[Speed]] = {}
    with all_running(wanted, cores="0,1") as (servers, missing):
        for server in servers:
            speed(server, 16, True)
        began, longest = time.monotonic(), 0.0
        for done in range(rounds):
            at = time.monotonic()
            if done and at - began + longest > _LIMIT_S:
                break
            for at_a_time, is_streamed in itertools.product(LOADS, (True, False)):
                for server in servers:
                    key = at_a_time, is_streamed, server.peer.title
                    speeds.setdefault(key, []).append(speed(server, at_a_time, is_streamed))
            longest = max(longest, time.monotonic() - at)
    return speeds, missing


def _table(speeds: Speeds, missing: list[str]) -> Table:
    rows = [_row(key, rounds) for key, rounds in sorted(speeds.items(), key=lambda item: (item[0][0], -item[0][1]))]
    medians = {key: statistics.median(one.tokens_a_second for one in rounds) for key, rounds in speeds.items()}
    made = sorted({len(rounds) for rounds in speeds.values()})
    how = (
        f"`POST /v1/chat/completions`, {TOKENS} tokens each, the demo model, the same flags and executor; client and "
        f"servers share both cores; medians of {' or '.join(map(str, made))} rounds, turn by turn. CPU is that of the "
        f"process with the server layer, which also takes the engine's answers apart. Load average at the end: "
        f"{load_average()}."
    )
    names = sorted({name for _, is_streamed, name in speeds if is_streamed})
    series = [Series(name, [(many, medians[many, True, name]) for many in LOADS]) for name in names]
    charts = (Chart("Tokens a second, streamed, against concurrency", "1/s", series, is_log=True),) if series else ()
    return Table("generate", "Generation through vLLM", how, _HEADER, rows, _verdicts(speeds, medians), missing, charts)


def _verdicts(speeds: Speeds, medians: Mapping[Key, float]) -> list[str]:
    ours, stock, alone = (64, True, "Handrail"), (64, True, peers.stock().title), (64, True, ALONE)
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
    if alone in speeds:
        what = "64 streams, tokens/s over the engine's alone:"
        verdicts.append(verdict(what, medians[ours] / medians[alone], 0.9, at_least=True))
    if stock in speeds and alone in speeds:
        rate, first = medians[alone] / medians[stock], _first(speeds[alone]) / _first(speeds[stock])
        verdicts.append(
            f"the engine's alone over stock's, which no server can go beyond: tokens/s {rate:.2f}, TTFT {first:.2f}"
        )
    return verdicts


def _first(rounds: list[Speed]) -> float:
    return statistics.median(first for one in rounds for first in one.first_s)


def _row(key: tuple[int, bool, str], rounds: list[Speed]) -> tuple[str, ...]:
    at_a_time, is_streamed, name = key
    firsts = sorted(first for one in rounds for first in one.first_s)
    gaps = sorted(gap for one in rounds for gap in one.gaps_s)
    tokens = statistics.median(one.tokens_a_second for one in rounds)
    cpu = statistics.median(one.cpu_us for one in rounds)
    said = [_ms(firsts, 0.5), _ms(firsts, 0.99), _ms(gaps, 0.5), _ms(gaps, 0.99)]
    return (str(at_a_time), "yes" if is_streamed else "no", name, f"{tokens:,.0f}", f"{cpu:.0f}", *said)


def _ms(values: list[float], part: float) -> str:
    return f"{values[min(len(values) - 1, int(part * len(values)))] * 1000:.1f}" if values else ""
