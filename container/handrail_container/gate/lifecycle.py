"""The server's states, and the transitions between them.

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
    """A transition that the table does not allow: a bug in Handrail."""


class Lifecycle:
    """The server's present state. `reason` says what it is doing, and is the message of a 503."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.state = State.STARTING
        self.reason = "the server is starting"
        #: Numbers of edits that were served and refused, with `--watch`.
        self.reloads = {"ok": 0, "refused": 0}

    def __repr__(self) -> str:
        return f"<Lifecycle {self.state}: {self.reason}>"

    @property
    def is_ready(self) -> bool:
        return self.state is State.READY

    def refusal(self) -> Failure:
        """The error for a client that cannot be served in this state."""
        kind = _KINDS.get(self.state, "loading")
        headers = _RETRY_AFTER if kind == "loading" else {**_RETRY_AFTER, "Connection": "close"}
        return Failure(503, self.reason, kind, headers=headers)

    def move(self, state: State, reason: str, part: str | None = None) -> None:
        """Change to `state`, and begin `part` of the timeline, if given. Raises IllegalTransition if `state` cannot
        follow the present one."""
        if state not in _FOLLOWS[self.state]:
            raise IllegalTransition(f"{self.state} cannot become {state}")
        self.state = state
        self.step(reason, part)

    def step(self, reason: str, part: str | None = None) -> None:
        """Change the reason within the present state, and begin `part` of the timeline, if given."""
        self.reason = reason
        if part is not None:
            self.timeline.begin(part)
