"""A stream of many small pieces: pieces a second, and the CPU time of each."""

from __future__ import annotations

import statistics

from tests.bench.apps import PIECES
from tests.bench.load import CONNECTIONS, Rate, ask
from tests.bench.peers import STREAM
from tests.bench.running import all_running
from tests.bench.table import Chart, Effort, Series, Table, load_average, verdict

_HEADER = ("server", "CPU µs a piece", "pieces a second", "of Starlette alone", "streams a second")


def measure(effort: Effort) -> Table:
    with all_running([peer for peer in STREAM if effort.wants(peer.name)]) as (servers, missing):
        rates: dict[str, list[Rate]] = {server.peer.name: [] for server in servers}
        for server in servers:
            ask(server, 1)
        for _ in range(effort.rounds):
            for server in servers:
                rates[server.peer.name].append(ask(server, effort.seconds))
    titles = {server.peer.name: server.peer.title for server in servers}
    streams = {name: statistics.median(rate.a_second for rate in given) for name, given in rates.items()}
    cpu = {name: statistics.median(rate.cpu_us for rate in given) / PIECES for name, given in rates.items()}
    bare = streams.get("starlette")
    rows = [
        (
            titles[name],
            f"{cpu[name]:.2f}",
            f"{rate * PIECES:,.0f}",
            f"{rate / bare:.2f}" if bare else "",
            f"{rate:,.0f}",
        )
        for name, rate in streams.items()
    ]
    how = (
        f"A handler that yields {PIECES} server-sent events, {CONNECTIONS} connections, medians of {effort.rounds} "
        f"rounds of {effort.seconds:g} s, turn by turn. Load average at the end: {load_average()}."
    )
    verdicts = []
    if bare and "ours" in streams:
        what = "Handrail's pieces a second over Starlette's alone:"
        verdicts = [verdict(what, streams["ours"] / bare, 0.9, at_least=True)]
    bars = [(titles[name], value) for name, value in cpu.items()]
    chart = Chart("CPU time a streamed piece", "µs", (Series("CPU", bars),))
    return Table("stream", "A stream of small pieces", how, _HEADER, rows, verdicts, missing, (chart,))
