"""What it costs as there is more of it: open streams, larger bodies, more handlers."""

from __future__ import annotations

from dataclasses import replace

from tests.bench import peers
from tests.bench.load import ask
from tests.bench.running import running
from tests.bench.table import Chart, Effort, Series, Table, load_average, verdict

_STREAMS = (1, 4, 16, 64, 256, 1024)
_BODIES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 25_000_000)
_FUNCTIONS = (1, 10, 100, 1000)
_HEADER = ("what", "how much", "CPU µs", "of what", "requests a second", "resident MB")
_UNLIMITED = {"HANDRAIL_MAX_BODY_MB": "30", "HANDRAIL_MAX_CONCURRENCY": "2048"}

Row = tuple[str, float, float, str, float, float]


def measure(effort: Effort) -> Table:
    streams, bodies, functions = _streams(effort), _bodies(effort), _functions(effort)
    rows = [
        (what, f"{much:,.0f}", f"{cpu:,.2f}", unit, f"{a_second:,.1f}", f"{mb:.0f}")
        for what, much, cpu, unit, a_second, mb in (*streams, *bodies, *functions)
    ]
    charts = (
        _chart("CPU time a request against open streams", streams),
        _chart("CPU time a request against the size of the body", bodies),
        _chart("Resident memory against open streams", streams, column=5, unit="MB"),
    )
    how = f"Rounds of {effort.seconds:g} s each. Load average at the end: {load_average()}."
    return Table("growth", "As there is more", how, _HEADER, rows, _verdicts(streams, bodies), charts=charts)


def _chart(title: str, rows: list[Row], column: int = 2, unit: str = "µs") -> Chart:
    points = [(row[1], float(row[column])) for row in rows]
    return Chart(title, unit, (Series("Handrail", points),), is_log=True)


def _verdicts(streams: list[Row], bodies: list[Row]) -> list[str]:
    """That nothing grows faster than its cause."""
    a_byte = [cpu / much for _, much, cpu, *_ in bodies[-3:]]
    return [
        verdict("CPU time of a stream, the most open over 16:", streams[-1][2] / streams[2][2], 1.5),
        verdict("CPU time of a byte, the largest body over a tenth of it:", a_byte[-1] / a_byte[-2], 1.5),
    ]


def _streams(effort: Effort) -> list[Row]:
    rows: list[Row] = []
    ours = next(peer for peer in peers.STREAM if peer.name == "ours")
    with running(replace(ours, environment=_UNLIMITED)) as server:
        for many in _STREAMS:
            rate = ask(server, effort.seconds, connections=many)
            rows.append(("open streams", many, rate.cpu_us, "a stream", rate.a_second, server.rss_mb()))
    return rows


def _bodies(effort: Effort) -> list[Row]:
    rows: list[Row] = []
    with running(replace(peers.READS, environment=_UNLIMITED)) as server:
        for size in _BODIES:
            rate = ask(server, effort.seconds, connections=4, body_bytes=size)
            rows.append(("bytes of body", size, rate.cpu_us, "a request", rate.a_second, server.rss_mb()))
    return rows


def _functions(effort: Effort) -> list[Row]:
    """Functions in the script, of which one is the handler."""
    rows: list[Row] = []
    handler = next(peer for peer in peers.UNARY if peer.name == "ours")
    for many in _FUNCTIONS:
        others = "".join(f"async def helper_{number}(request):\n    return None\n\n" for number in range(many))
        program = {"model.py": others + handler.files["model.py"]}
        with running(replace(handler, files=program)) as server:
            ask(server, 1)
            rate = ask(server, effort.seconds)
            rows.append(("functions in the script", many, rate.cpu_us, "a request", rate.a_second, server.rss_mb()))
    return rows
