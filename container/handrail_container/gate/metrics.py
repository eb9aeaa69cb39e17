"""The server's own metrics; vLLM's and the user's share the registry."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

from prometheus_client import REGISTRY, Counter, Gauge
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.types import Scope

from handrail_container.gate.admission import Lanes
from handrail_container.gate.exchange import Exchange
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.http.envelope import LEFT
from handrail_container.process import outlet
from handrail_container.process.strays import strays

OUTCOMES = ("ok", "client_error", "handler_error", "timeout", "cancelled", "rejected")
#: The outcome of a request that the server ended, by the status of its error.
_ENDED = {504: "timeout", 408: "client_error"}
#: Seconds: from a handler that computes nothing to the longest stream.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 480)

#: Registered while a server counts; importing this module registers nothing.
open_websockets = Gauge("handrail_open_websockets", "WebSockets that are open.", registry=None)
websockets = Counter("handrail_websockets", "WebSockets, by how they ended.", ["outcome"], registry=None)
for _outcome in OUTCOMES:
    websockets.labels(_outcome)


def outcome(exchange: Exchange) -> str:
    """The one of OUTCOMES with which a request to a handler ended."""
    if exchange.status == LEFT.status:
        return "cancelled"
    if exchange.verdict is not None:
        return _ENDED.get(exchange.verdict.status, "cancelled")
    if exchange.was_rejected:
        return "rejected"
    if exchange.status >= 500 or (exchange.has_failed and exchange.status < 400):
        return "handler_error"
    return "client_error" if exchange.status >= 400 else "ok"


class Histogram:
    """Plain numbers without a lock: only the event loop adds to them."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self._sum += seconds

    def family(self, name: str, text: str) -> HistogramMetricFamily:
        buckets, total = [], 0
        for limit, count in zip((*map(str, map(float, BUCKETS)), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((limit, float(total)))
        return HistogramMetricFamily(name, text, buckets=buckets, sum_value=self._sum)


class Tally(Collector):
    """Counts the outcomes of requests to `/invocations`, its aliases, and `/v1/…`, and the statuses of each route.
    `count` is called with each request when it is over.

    Created on the event loop; `collect` may be called in any thread.
    """

    def __init__(self, lifecycle: Lifecycle, lanes: Lanes) -> None:
        self._lifecycle = lifecycle
        self._lanes = (lanes.invocations, lanes.engine)
        self._loop = asyncio.get_running_loop()
        self._outcomes = dict.fromkeys(OUTCOMES, 0)
        self._requests: dict[tuple[str, int], int] = {}
        #: The name of the route that a request went to; there are few.
        self.route_of: Callable[[Scope], str] = lambda scope: ""
        self._seconds = Histogram()
        self._first_chunk = Histogram()

    def count(self, exchange: Exchange) -> None:
        key = exchange.scope["path"], exchange.status
        if key in self._requests:  # most paths are the names of their routes
            self._requests[key] += 1
        else:
            key = self.route_of(exchange.scope), exchange.status
            self._requests[key] = self._requests.get(key, 0) + 1
        if not exchange.has_lane:
            return
        self._outcomes[outcome(exchange)] += 1
        self._seconds.add(exchange.took_s)
        if exchange.is_streaming:
            self._first_chunk.add(exchange.first_chunk_at - exchange.began)

    def collect(self) -> Iterator[Metric]:
        invocations = CounterMetricFamily("handrail_invocations", "Requests, by how they ended.", labels=["outcome"])
        for name, count in self._outcomes.items():
            invocations.add_metric([name], count)
        yield invocations
        text = "Requests, to any route, by the status of their answers."
        requests = CounterMetricFamily("handrail_requests", text, labels=["route", "status"])
        for (route, status), count in tuple(self._requests.items()):
            requests.add_metric([route, str(status)], count)
        yield requests
        yield InfoMetricFamily("handrail", "What serves here.", value={"version": version("handrail")})
        reloads = CounterMetricFamily(
            "handrail_reloads", "Reloads of the handlers after an edit, by how they ended.", labels=["result"]
        )
        for result, count in self._lifecycle.reloads.items():
            reloads.add_metric([result], count)
        yield reloads
        text = "Lines of standard output and error that were dropped, as nobody read them."
        yield CounterMetricFamily("handrail_log_dropped", text, value=outlet.dropped())
        yield self._seconds.family("handrail_invocation_seconds", "From the request to the end of its answer.")
        yield self._first_chunk.family("handrail_first_chunk_seconds", "From the request to a stream's first piece.")
        yield _gauge("handrail_in_flight", "Requests that run.", sum(lane.running + lane.after for lane in self._lanes))
        yield _gauge("handrail_tasks", "Tasks on the event loop.", len(asyncio.all_tasks(self._loop)))
        yield _gauge("handrail_queued", "Requests that wait.", sum(lane.waiting for lane in self._lanes))
        text = "SystemExit and KeyboardInterrupt of tasks, callbacks and threads that handlers started."
        yield CounterMetricFamily("handrail_strays", text, value=strays.count)
        state = GaugeMetricFamily("handrail_state", "1 for the state the server is in.", labels=["state"])
        for each in State:
            state.add_metric([each], float(each is self._lifecycle.state))
        yield state


@contextmanager
def counting(lifecycle: Lifecycle, lanes: Lanes) -> Iterator[Tally]:
    """A tally that `/metrics` shows for as long as the server runs."""
    tally = Tally(lifecycle, lanes)
    shown = (tally, open_websockets, websockets)
    for collector in shown:
        REGISTRY.register(collector)
    try:
        yield tally
    finally:
        for collector in shown:
            REGISTRY.unregister(collector)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
