"""Admission of requests: limits on how many run, how many wait, and how long each may take."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.gate.exchange import Exchange
from handrail_container.settings.fields import Settings

_HEADER = b"x-handrail-timeout-s"
#: Weight of the latest request in the moving average of durations.
_WEIGHT = 0.1
_MAX_RETRY_AFTER_S = 60


class Overloaded(HTTPException):
    """The running requests and the queue are both at their limit."""

    def __init__(self, running: int, waiting: int, retry_after_s: int) -> None:
        message = (
            f"{running} requests run and {waiting} wait, which is all there is room for "
            "(HANDRAIL_MAX_CONCURRENCY, HANDRAIL_MAX_QUEUE)"
        )
        super().__init__(503, message, headers={"Retry-After": str(retry_after_s)})


class _Place:
    """A request's place in a lane, left once: at the end of its answer, or of its work if that is earlier."""

    __slots__ = ("_began", "_is_left", "_lane")

    def __init__(self, lane: Lane, began: float) -> None:
        self._lane = lane
        self._began = began
        self._is_left = False

    def answered(self) -> None:
        """The answer is complete; what its application still does needs no place."""
        self._is_left = True
        self._lane.after += 1
        self._lane._leave(time.monotonic() - self._began)

    def over(self) -> None:
        if self._is_left:
            self._lane.after -= 1
        else:
            self._lane._leave(time.monotonic() - self._began)


class Lane:
    """Requests with a common limit and queue. `running` and `waiting` are the present numbers; `after` is that of the
    requests that work on after their answer, as an application's background tasks do, and have no place any more.
    `when_asked`, if any, is called with each request before its admission."""

    def __init__(self, settings: Settings) -> None:
        self.running = self.after = 0
        self.when_asked: Callable[[Exchange], None] | None = None
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._max_running = settings.max_concurrency
        self._max_waiting = settings.max_queue
        self._limits_s = (settings.invocation_timeout_s, settings.stream_timeout_s)
        self._taken_s = 0.0

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app` behind admission: it raises Overloaded, with Retry-After, when the queue is full."""

        async def admitted(scope: Scope, receive: Receive, send: Send) -> None:
            exchange: Exchange = scope["state"]["handrail.exchange"]
            exchange.has_lane = True
            if self.when_asked is not None:
                self.when_asked(exchange)
            exchange.limit_s, exchange.stream_limit_s = self._limits(exchange)
            began = exchange.began
            if self.running < self._max_running:
                self.running += 1
            else:
                await self._turn(exchange)
                began = time.monotonic()
            exchange.place = place = _Place(self, began)
            try:
                await app(scope, receive, send)
            finally:
                exchange.place = None
                place.over()

        return admitted

    def _limits(self, exchange: Exchange) -> tuple[float, float]:
        asked = exchange.headers.get(_HEADER)
        if asked is None:
            return self._limits_s
        limit = _seconds(asked)
        unary, stream = self._limits_s
        return min(limit, unary), min(limit, stream)

    async def _turn(self, exchange: Exchange) -> None:
        """Wait in FIFO order for a free slot. Raises Overloaded."""
        if len(self._waiters) >= self._max_waiting:
            exchange.was_rejected = True
            raise Overloaded(self.running, len(self._waiters), self._retry_after_s())
        turn = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given a slot in the same moment
                self._leave(self._taken_s)
            elif turn in self._waiters:
                self._waiters.remove(turn)
            raise

    def _leave(self, took_s: float) -> None:
        self._taken_s += _WEIGHT * (took_s - self._taken_s)
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(None)  # the slot is handed on: `running` stays as it is
                return
        self.running -= 1

    def _retry_after_s(self) -> int:
        """Seconds until the present queue is served, by the recent durations of requests."""
        rounds = (len(self._waiters) + 1) / self._max_running
        return max(1, min(_MAX_RETRY_AFTER_S, math.ceil(rounds * self._taken_s)))


class Lanes:
    """`engine` is for the engine's routes: a request in `invocations` may call them and wait for the answer.

    `limit_s` is the seconds that a request may take that is not streamed.
    """

    def __init__(self, settings: Settings) -> None:
        self.limit_s = settings.invocation_timeout_s
        self.invocations = Lane(settings)
        self.engine = Lane(settings)


def _seconds(header: bytes) -> float:
    try:
        seconds = float(header)
    except ValueError:
        seconds = 0
    if not 0 < seconds < math.inf:
        given = header.decode("latin-1")
        raise HTTPException(400, f"X-Handrail-Timeout-S is {given!r}; give it a number of seconds over 0")
    return seconds
