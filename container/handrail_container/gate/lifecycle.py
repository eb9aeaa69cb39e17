"""The server's states, and which may follow which.

starting ─▶ loading ─▶ warming ─▶ ready ─▶ draining ─▶ stopped
    └──────────┴──────────┴────────┴──▶ failed ────────────▲
(a signal drains from any state before `ready`, too)
"""

from __future__ import annotations

from enum import StrEnum

from handrail_container.http.envelope import Failure
from handrail_container.process.timeline import Timeline


class State(StrEnum):
    STARTING = "starting"
    LOADING = "loading"
    WARMING = "warming"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"
    STOPPED = "stopped"


_FOLLOWS: dict[State, frozenset[State]] = {
    State.STARTING: frozenset({State.LOADING, State.DRAINING, State.FAILED}),
    State.LOADING: frozenset({State.WARMING, State.DRAINING, State.FAILED}),
    State.WARMING: frozenset({State.READY, State.DRAINING, State.FAILED}),
    State.READY: frozenset({State.DRAINING, State.FAILED}),
    State.DRAINING: frozenset({State.STOPPED, State.FAILED}),
    State.FAILED: frozenset({State.STOPPED}),
    State.STOPPED: frozenset(),
}

_KINDS = {State.DRAINING: "draining", State.STOPPED: "draining", State.FAILED: "engine_dead"}
_RETRY_AFTER = {"Retry-After": "5"}


class IllegalTransition(AssertionError):
    """A bug of ours."""


class Lifecycle:
    """Where the server is, and what it is doing there: `reason` is what a 503 tells the client."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.state = State.STARTING
        self.reason = "the server is starting"
        #: Edits that were served and that were not, with `--watch`.
        self.reloads = {"ok": 0, "refused": 0}

    def __repr__(self) -> str:
        return f"<Lifecycle {self.state}: {self.reason}>"

    @property
    def is_ready(self) -> bool:
        return self.state is State.READY

    def refusal(self) -> Failure:
        """What a client is told that cannot be served in this state."""
        kind = _KINDS.get(self.state, "loading")
        headers = _RETRY_AFTER if kind == "loading" else {**_RETRY_AFTER, "Connection": "close"}
        return Failure(503, self.reason, kind, headers=headers)

    def move(self, state: State, reason: str, part: str | None = None) -> None:
        """Another state, and where it begins one, another `part` of the timeline. Raises IllegalTransition where
        `state` cannot follow the present one."""
        if state not in _FOLLOWS[self.state]:
            raise IllegalTransition(f"{self.state} cannot become {state}")
        self.state = state
        self.step(reason, part)

    def step(self, reason: str, part: str | None = None) -> None:
        """Another step of the same state."""
        self.reason = reason
        if part is not None:
            self.timeline.begin(part)
