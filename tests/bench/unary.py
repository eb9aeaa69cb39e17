"""A handler that does nothing, in every server: the CPU time that a request costs, and requests a second."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from tests.bench.load import CONNECTIONS, Rate, ask
from tests.bench.peers import UNARY
from tests.bench.running import Running, all_running
from tests.bench.table import Chart, Effort, Series, Table, load_average, verdict

_BUDGETS = {"asgi": 1.5, "aws": 0.33, "stock": 0.25}
_HEADER = ("server", "CPU µs a request", "of bare ASGI", "requests a second", "p99 ms", "rounds' spread of CPU")


def measure(effort: Effort) -> Table:
    peers = [peer for peer in UNARY if effort.wants(peer.name)]
    with all_running(peers) as (servers, missing):
        rates: dict[str, list[Rate]] = {server.peer.name: [] for server in servers}
        for server in servers:
            ask(server, 1)  # what is made once is not counted
        for _ in range(effort.rounds):
            for server in servers:
                rates[server.peer.name].append(ask(server, effort.seconds))
        return _table(servers, rates, missing, effort)


def _table(servers: list[Running], rates: Mapping[str, list[Rate]], missing: list[str], effort: Effort) -> Table:
    cpu = {name: statistics.median(rate.cpu_us for rate in given) for name, given in rates.items()}
    titles = {server.peer.name: server.peer.title for server in servers}
    how = (
        f"`POST /invocations` with a handler that answers a small JSON, {CONNECTIONS} connections; wrk on one core, "
        f"the server on the other, in turn, medians of {effort.rounds} rounds of {effort.seconds:g} s. CPU is user "
        f"and system time of all of the server's processes. Load average at the end: {load_average()}."
    )
    bars = [(titles[name], value) for name, value in sorted(cpu.items(), key=lambda pair: pair[1])]
    return Table(
        "unary",
        "A handler that does nothing",
        how,
        _HEADER,
        [_row(titles[name], given, cpu.get("asgi")) for name, given in rates.items()],
        [
            verdict(f"Handrail's CPU time over that of {titles[name]}:", cpu["ours"] / cpu[name], limit)
            for name, limit in _BUDGETS.items()
            if "ours" in cpu and name in cpu
        ],
        missing,
        (Chart("CPU time a request", "µs", (Series("CPU", bars),)),),
    )


def _row(title: str, rates: list[Rate], bare: float | None) -> tuple[str, ...]:
    cpu = [rate.cpu_us for rate in rates]
    median = statistics.median(cpu)
    return (
        title,
        f"{median:.1f}",
        f"{median / bare:.2f}" if bare else "",
        f"{statistics.median(rate.a_second for rate in rates):,.0f}",
        f"{statistics.median(rate.p99_s for rate in rates) * 1000:.1f}",
        f"{min(cpu):.1f}-{max(cpu):.1f}",
    )
