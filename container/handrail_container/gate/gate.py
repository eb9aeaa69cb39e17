"""Entry point of every request: assigns the id, checks key, readiness and method, and renders errors in one JSON shape.
WebSockets are passed on to `sockets.py`.

Pure ASGI, in front of the application: `/ping` and `/invocations` reach their handlers without a framework's stack.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

from handrail.core.json_budget import BOUNDS
from handrail.core.presence import asker
from starlette.types import Receive, Scope, Send

from handrail_container.gate.access import AccessLog
from handrail_container.gate.admission import Lanes
from handrail_container.gate.bodies import Bodies
from handrail_container.gate.exchange import Exchange
from handrail_container.gate.keys import Keys
from handrail_container.gate.last_pings import PATHS, LastPings
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.gate.sockets import Sockets
from handrail_container.http.answer import answer_error, require_whole
from handrail_container.http.envelope import LEFT, Failure
from handrail_container.http.explain import explain_ours
from handrail_container.http.json_bounds import NO_BOUNDS, JsonBounds
from handrail_container.process.steady import Steady
from handrail_container.routes.endpoint import Endpoint, Routes
from handrail_container.routes.inputs.dialect import AT_ROOT
from handrail_container.routes.session_store import Sessions

_ALIAS = "/sync/v1/"
_NO_REASON = "not now; the reason is told to those who send a key"
_HEALTH_METHODS = ("GET", "HEAD")
#: The route's name for unknown paths.
OTHER = "other"
#: Seconds between checks of the requests in flight.
_SWEEP_S = 0.1
#: A handler's body may have this many times the JSON objects that a body for the engine may have.
_HANDLERS_OBJECTS = 5
#: Seconds a cancelled handler gets to finish; then its client is answered in its place.
_HEED_S = 1.0


class InFlight:
    """Requests that entered the gate since it was last opened; `total` counts those from before as well."""

    def __init__(self, before: InFlight | None = None) -> None:
        self.count = 0
        every: tuple[InFlight, ...] = (before, *before._before) if before is not None else ()
        self._before: tuple[InFlight, ...] = tuple(one for one in every if one.count)

    @property
    def total(self) -> int:
        return self.count + sum(one.count for one in self._before)


class Gate:
    """Serves our endpoints by path, and the engine's below its prefixes. `when_over` gets each finished request."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        lanes: Lanes,
        *,
        max_body_bytes: float,
        access_log: str,
        max_bodies_bytes: float = math.inf,
        json_bounds: JsonBounds = NO_BOUNDS,
        cancels_on_disconnect: bool = True,
    ) -> None:
        self.lifecycle = lifecycle
        self.lanes = lanes
        self.endpoints: dict[str, Endpoint] = {}
        self.requests = InFlight()
        self.sockets = Sockets(lifecycle, access_log)
        self.when_over: Callable[[Exchange], None] = lambda exchange: None
        self.keys = Keys()
        self.sessions: Sessions | None = None
        self.last_pings = LastPings(lifecycle)
        #: Monotonic time of the event loop's last beat.
        self.beat_at = time.monotonic()
        #: The answer of `/ping` in place of its own, once no handler could run for HANDRAIL_STALL_S.
        self.stalled: Failure | None = None
        #: Whether code may ask `presence.asker` for the request that it runs for.
        self.names_asker = False
        #: A path besides `/ping` that is answered as it is, with GET.
        self.health_route = "/ping"
        self._exchanges: set[Exchange] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self._opened = Routes({}, {}, {})
        self._application: Any = None
        self.bodies = Bodies(max_body_bytes, max_bodies_bytes)
        self.engine_bounds = json_bounds
        self._json_bounds = json_bounds._replace(objects=_HANDLERS_OBJECTS * json_bounds.objects)
        self._access = AccessLog(access_log)
        self._cancels = cancels_on_disconnect
        self._steady = Steady("the sweep of requests that are over their time")

    def open(self, application: Any, routes: Routes) -> None:
        """Serve `routes` from now on; user code finds `application` at `request.app`.

        A second call replaces the routes; requests in flight finish with those they began with.
        """
        self.requests = InFlight(self.requests)
        self._application = application
        self._opened = routes
        self.sockets.endpoints, self.sockets.applications = routes.sockets, routes.applications

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Every coroutine on a request's way costs time, so there are few.
        path = scope["path"]
        if path.startswith(_ALIAS):  # as clients of Baseten's gateway write `/v1`
            path = scope["path"] = path.removeprefix("/sync")
            scope["raw_path"] = path.encode()
        elif path == self.health_route and scope.get("method") in _HEALTH_METHODS:
            path = scope["path"] = "/ping"
        elif path == "/" and self._is_for_handler(scope):
            path = scope["path"] = AT_ROOT
        scope["app"] = self._application
        requests = self.requests
        requests.count += 1
        try:
            if scope["type"] == "websocket":
                await self.sockets(scope, receive, send)
                return
            if path in PATHS:
                send = self.last_pings.recording(scope, send)
            exchange = Exchange(scope, send, is_cancelled_by_leaving=self._cancels)
            self._exchanges.add(exchange)
            if self.names_asker:
                asker.set(exchange)
            try:
                found = self._admitted(exchange)
                if isinstance(found, Failure):
                    await exchange.fail(found)
                else:
                    await self._answer(found, exchange, receive)
            except Exception as error:  # noqa: BLE001  an error's own answer may raise, as for an invalid header
                await exchange.fail(explain_ours(error, exchange.request_id))
            finally:
                self._exchanges.discard(exchange)
                exchange.close()
                if exchange.body_bytes:
                    self.bodies.release(exchange)
                self.when_over(exchange)
                self._access.note(exchange)
        finally:
            requests.count -= 1

    def _is_for_handler(self, scope: Scope) -> bool:
        """Whether a request to `/` is to be answered as /invocations: there is an endpoint once the server is ready."""
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        return is_post and (AT_ROOT in self._opened.endpoints or not self.lifecycle.is_ready)

    def route(self, scope: Scope) -> str:
        """The name of a request's route, one of few: clients cannot cause new names."""
        path: str = scope["path"]
        opened = self._opened
        if path in opened.endpoints or path in opened.paths or path in self.endpoints:
            return path
        if "route" in scope:  # a framework's route, with its path template
            return str(getattr(scope["route"], "path", OTHER))
        return next((f"{prefix}*" for prefix in opened.prefixes if prefix and path.startswith(prefix)), OTHER)

    async def sweep(self) -> None:
        """Never returns. Cancels requests past their timeout, and answers for handlers that ignore a cancellation."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            self.beat_at = now = time.monotonic()
            for exchange in tuple(self._exchanges):
                with self._steady:
                    self._look(exchange, now)

    def _look(self, exchange: Exchange, now: float) -> None:
        if exchange.is_to_be_left(now):
            exchange.end(LEFT)
        if not exchange.has_lane and now - exchange.began > self.lanes.limit_s and exchange.is_being_sent:
            exchange.limit_s = self.lanes.limit_s  # without a lane, only the body has a timeout
        if exchange.is_overdue(now):
            exchange.end(_overdue(exchange))
        if exchange.verdict is not None and now - exchange.ended_at > _HEED_S:
            self._answer_for(exchange)

    async def end_all(self) -> None:
        """Cancel all requests in flight, as the drain is over."""
        for exchange in tuple(self._exchanges):
            exchange.end(self.lifecycle.refusal())
        await self.sockets.close_all()

    def _answer_for(self, exchange: Exchange) -> None:
        """Answer in place of a handler that runs in a thread, or ignores its cancellation."""
        if exchange.has_failed or exchange.verdict is None:
            return
        answering = asyncio.ensure_future(_answer_late(exchange, exchange.verdict))
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)

    def _endpoint_for(self, scope: Scope) -> Endpoint | None:
        path, below = scope["path"], self._opened.prefixes.items()
        own = self._opened.applications.endpoint(scope) or self.endpoints.get(path)
        return own or next((endpoint for prefix, endpoint in below if path.startswith(prefix)), None)

    def _admitted(self, exchange: Exchange) -> Endpoint | Failure:
        """The endpoint of a request that is admitted, else its error. The key is checked before an application's routes
        are matched: a pattern may take seconds for a long path. The paths that need no key are few and short."""
        path, headers = exchange.scope["path"], exchange.headers
        if (refusal := self.keys.refusal(path, headers)) is not None:
            return refusal
        endpoint = self._opened.endpoints.get(path) or self._endpoint_for(exchange.scope)
        if endpoint is not None and endpoint.asks_for_key and (refusal := self.keys.refusal(None, headers)) is not None:
            return refusal
        if self.stalled is not None and path in PATHS and self.lifecycle.is_ready:
            return self._without_reason(self.stalled, exchange)
        if endpoint is None or not (self.lifecycle.state is State.READY or self._is_open(endpoint, exchange)):
            return self._without_reason(self.lifecycle.refusal(), exchange)
        if endpoint.methods and exchange.scope["method"] not in endpoint.methods:
            return _wrong_method(endpoint, exchange.scope)
        return endpoint

    def _without_reason(self, failure: Failure, exchange: Exchange) -> Failure:
        """`failure`, without its reason for a client that sent no key although there are keys."""
        if not self.keys.is_stranger(exchange.headers):
            return failure
        return failure._replace(message=_NO_REASON, detail=None, more=None)

    def _is_open(self, endpoint: Endpoint, exchange: Exchange) -> bool:
        """Whether this request is admitted although the server is not ready."""
        if endpoint.is_always_open or not endpoint.serves_own or self.lifecycle.state is not State.DRAINING:
            return endpoint.is_always_open
        return self.keys.is_own(exchange.headers)

    async def _answer(self, endpoint: Endpoint, exchange: Exchange, receive: Receive) -> None:
        exchange.handler, exchange.outlives_client = endpoint.handler, endpoint.outlives_client
        try:
            try:
                bounds = self.engine_bounds if endpoint.is_the_engines else self._json_bounds
                exchange.scope["state"][BOUNDS] = bounds
                limited = self.bodies.limited(exchange, receive, bounds)
                await endpoint.app(exchange.scope, limited, exchange.send)
                if not exchange.is_complete:
                    require_whole(exchange, is_over=exchange.is_over)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001  a user's handler may raise anything, SystemExit too
                explain = endpoint.explain
                await answer_error(error, lambda *raised: self._without_reason(explain(*raised), exchange), exchange)
        except asyncio.CancelledError as error:  # by `exchange.end`, the handler or the listener
            is_own = exchange.verdict is None and self.lifecycle.is_ready
            if exchange.verdict is not None:
                exchange.task.uncancel()
            await exchange.fail(endpoint.explain(error, exchange.request_id) if is_own else self.lifecycle.refusal())


async def _answer_late(exchange: Exchange, verdict: Failure) -> None:
    await exchange.fail(verdict)
    exchange.cut()


def _wrong_method(endpoint: Endpoint, scope: Scope) -> Failure:
    allowed = ", ".join(endpoint.methods)
    message = f"{scope['path']} takes {allowed}, not {scope['method']}"
    return Failure(405, message, headers={"Allow": allowed})


def _overdue(exchange: Exchange) -> Failure:
    if exchange.is_being_sent:
        message = f"the body had not come within {exchange.limit_s:g} s: what did come was too slow"
        return Failure(408, message, headers={"Connection": "close"})
    setting, limit = "HANDRAIL_INVOCATION_TIMEOUT_S", exchange.limit_s
    if exchange.is_streaming:
        setting, limit = "HANDRAIL_STREAM_TIMEOUT_S", exchange.stream_limit_s
    message = f"not done within {limit:g} s ({setting}, or what X-Handrail-Timeout-S asked for); the work was cancelled"
    return Failure(504, message, "timeout")
