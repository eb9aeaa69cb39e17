"""How long `/ping` takes while twice as many requests come as the server can answer."""

from __future__ import annotations

import asyncio
import time

from tests.bench import peers
from tests.bench.load import ask
from tests.bench.running import CLIENTS_CORE, Running, running
from tests.bench.table import Effort, Table, load_average, verdict
from tests.compat.launchers import HOST

_HEADER = ("asked of the server", "`/ping` p50 ms", "p99 ms", "longest ms", "pings")
#: Seconds that a handler of ours takes, of which the server runs so many at a time.
_WORK_S, _AT_A_TIME = 0.05, 64
_SLOW = f"""
import asyncio

async def custom_sagemaker_invocation_handler(request):
    await asyncio.sleep({_WORK_S})
    return {{'ok': True}}
"""
_PING = b"GET /ping HTTP/1.1\r\nHost: bench\r\n\r\n"
_ASK = b"POST /invocations HTTP/1.1\r\nHost: bench\r\nContent-Length: 2\r\n\r\n{}"
_EVERY_S = 0.005


def measure(effort: Effort) -> Table:
    rows = []
    limited = {"HANDRAIL_MAX_CONCURRENCY": str(_AT_A_TIME), "HANDRAIL_MAX_QUEUE": str(_AT_A_TIME)}
    slow = peers.ours("ours", "Handrail", _SLOW)
    with running(peers.Peer(**{**vars(slow), "environment": {**slow.environment, **limited}})) as server:
        sustained = _AT_A_TIME / _WORK_S
        seconds = max(1.0, effort.seconds * effort.rounds)
        idle = asyncio.run(_pings(server, 0, seconds))
        loaded = asyncio.run(_pings(server, 2 * sustained, seconds))
        ask(server, 1)  # it is still there
    for what, took in (
        ("nothing", idle),
        (f"{2 * sustained:,.0f} requests a second, of which it has room for half", loaded),
    ):
        rows.append((what, *(f"{_part(took, part) * 1000:.1f}" for part in (0.5, 0.99, 1)), str(len(took))))
    how = (
        f"A handler of {_WORK_S:g} s, {_AT_A_TIME} at a time and as many in the queue; requests come at a steady rate, "
        f"`/ping` every {_EVERY_S * 1000:g} ms on a connection of its own, from core {CLIENTS_CORE}. "
        f"Load average at the end: {load_average()}."
    )
    verdicts = [verdict("`/ping` p99 at twice saturation, ms:", _part(loaded, 0.99) * 1000, 20)]
    return Table("ping", "`/ping` under load", how, _HEADER, rows, verdicts)


async def _pings(server: Running, a_second: float, seconds: float) -> list[float]:
    stopped = asyncio.Event()
    crowd = [asyncio.create_task(_crowd(server.port, a_second / 256, stopped)) for _ in range(256 if a_second else 0)]
    took = await pings(server.port, seconds)
    stopped.set()
    await asyncio.gather(*crowd)
    return took


async def pings(port: int, seconds: float) -> list[float]:
    """Seconds that each `/ping` of one connection takes."""
    reader, writer = await asyncio.open_connection(HOST, port)
    took, until = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        writer.write(_PING)
        await reader.readuntil(b"\r\n\r\n")
        took.append(time.perf_counter() - began)
        while not reader.at_eof() and reader._buffer:  # type: ignore[attr-defined]  # the body, which came along
            await reader.read(1 << 16)
        await asyncio.sleep(_EVERY_S)
    writer.close()
    return took


async def _crowd(port: int, a_second: float, stopped: asyncio.Event) -> None:
    """One of many clients that ask at a steady rate, however long the answer takes."""
    while not stopped.is_set():
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(_ASK.replace(b"Host: bench", b"Host: bench\r\nConnection: close"))
        await reader.read()
        writer.close()
        await asyncio.sleep(max(0, 1 / a_second - (time.perf_counter() - began)))


def _part(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
