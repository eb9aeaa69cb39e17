"""The memory of the server layer: before and after many requests."""

from __future__ import annotations

from tests.bench import peers
from tests.bench.load import CONNECTIONS, ask
from tests.bench.running import running
from tests.bench.table import Chart, Effort, Series, Table, load_average, verdict

#: As many as the budget names.
_REQUESTS = 100_000
_HEADER = ("after requests", "resident MB")


def measure(effort: Effort) -> Table:
    points: list[tuple[float | str, float]] = []
    with running(next(peer for peer in peers.UNARY if peer.name == "ours")) as server:
        ask(server, max(1, 2 * effort.seconds))  # what is made once
        answered = 0.0
        points.append((answered, server.rss_mb()))
        while answered < _REQUESTS * min(1.0, effort.seconds):
            answered += ask(server, effort.seconds).a_second * max(1, round(effort.seconds))
            points.append((answered, server.rss_mb()))
    what = f"Handrail with a handler that does nothing, {CONNECTIONS} connections."
    how = f"{what} Load average at the end: {load_average()}."
    rows = [(f"{answered:,.0f}", f"{mb:.1f}") for answered, mb in points]
    grown = points[-1][1] - points[0][1]
    chart = Chart("Resident memory against requests", "MB", (Series("Handrail", points),))
    return Table("memory", "Memory", how, _HEADER, rows, [verdict("growth, MB:", grown, 2)], charts=(chart,))
