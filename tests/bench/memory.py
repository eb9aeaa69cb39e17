"""The memory of the server layer: before and after many requests, and beside the engine without it."""

from __future__ import annotations

from tests.bench import generate, peers
from tests.bench.load import CONNECTIONS, ask
from tests.bench.running import Missing, running
from tests.bench.table import Chart, Effort, Series, Table, load_average, verdict

#: As many as the budget names.
_REQUESTS = 100_000
#: How many chats at a time, before the memory with an engine is looked at.
_AT_A_TIME = 16
_HEADER = ("server", "after requests", "resident MB")


def measure(effort: Effort) -> Table:
    points = _growth(effort)
    what = f"Handrail with a handler that does nothing, {CONNECTIONS} connections"
    chats = f"{generate.LOADS[_AT_A_TIME]} chats, {_AT_A_TIME} at a time"
    how = (
        f"{what}; then the process with the server layer, with vLLM, after {chats}: the engine has a process of its "
        f"own. Load average at the end: {load_average()}."
    )
    rows = [("Handrail", f"{answered:,.0f}", f"{mb:.1f}") for answered, mb in points]
    verdicts = [verdict("growth, MB:", points[-1][1] - points[0][1], 2)]
    missing: list[str] = []
    resident: dict[str, float] = {}
    if effort.wants("engine"):
        resident, missing = _with_engine()
    rows += [(title, f"{generate.LOADS[_AT_A_TIME]}", f"{mb:.1f}") for title, mb in resident.items()]
    if {"Handrail", generate.ALONE} <= resident.keys():
        verdicts.append(verdict("over AsyncLLM alone, MB:", resident["Handrail"] - resident[generate.ALONE], 60))
    chart = Chart("Resident memory against requests", "MB", (Series("Handrail", points),))
    return Table("memory", "Memory", how, _HEADER, rows, verdicts, missing, (chart,))


def _growth(effort: Effort) -> list[tuple[float | str, float]]:
    points: list[tuple[float | str, float]] = []
    with running(next(peer for peer in peers.UNARY if peer.name == "ours")) as server:
        ask(server, max(1, 2 * effort.seconds))  # what is made once
        answered = 0.0
        points.append((answered, server.rss_mb()))
        while answered < _REQUESTS * min(1.0, effort.seconds):
            answered += ask(server, effort.seconds).a_second * max(1, round(effort.seconds))
            points.append((answered, server.rss_mb()))
    return points


def _with_engine() -> tuple[dict[str, float], list[str]]:
    """Resident MB by server, and why others are not among them."""
    resident: dict[str, float] = {}
    missing: list[str] = []
    for peer in generate.GENERATING:
        try:
            with running(peer, cores="0,1") as server:
                generate.speed(server, _AT_A_TIME, True)
                resident[peer.title] = server.rss_mb()
        except Missing as reason:
            missing.append(str(reason))
    try:
        (said,) = generate.engine_alone(1, {_AT_A_TIME: generate.LOADS[_AT_A_TIME]})
        resident[generate.ALONE] = said["rss_mb"]
    except Missing as reason:
        missing.append(str(reason))
    return resident, missing
