"""The stages of a request through a definition, and the status of each error.

| error                                            | status | type                        |
|--------------------------------------------------|--------|-----------------------------|
| the body is not JSON, or not canonical           | 400    | bad_request                 |
| over the rate                                    | 429    | too_many_requests           |
| every worker is busy, and the queue full         | 503    | service_unavailable         |
| process_input failed                             | 500    | adapter_input_error         |
| the snippet raised                               | 500    | snippet_error               |
| … an exception with a status of its own          | its    | snippet_error               |
| … because an upstream answered with an error     | 502    | upstream_error (429 is 429) |
| the snippet returned no text, or not canonical   | 502    | bad_snippet_output          |
| the snippet timed out                            | 504    | gateway_timeout             |
| the snippet's worker died                        | 500    | worker_crashed              |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, MutableMapping
from enum import StrEnum
from typing import Any

from handrail.styles.definition.runner import Busy, NotText, RunFailed, SnippetRaised, TimedOut, WorkerDied

_BAD_OUTPUT = "bad_snippet_output"
_TOO_MANY = 429


class Stage(StrEnum):
    INPUT = "input"
    PROCESS_INPUT = "process_input"
    RUN = "run_inference"
    PROCESS_OUTPUT = "process_output"
    RESULT = "result"


#: Called with the output of a stage.
Observe = Callable[[Stage, str], None]
_OBSERVER = "handrail.observer"


def observe_with(observe: Observe, scope: MutableMapping[str, Any]) -> None:
    """Call `observe` with the output of each stage of the request, possibly from another thread."""
    scope.setdefault("state", {})[_OBSERVER] = observe


def observer(scope: MutableMapping[str, Any]) -> Observe:
    """The observer of the request's stages; by default one that does nothing."""
    given: Observe = scope["state"].get(_OBSERVER, _unobserved)
    return given


def _unobserved(stage: Stage, text: str) -> None:
    """The default observer."""


class StageFailed(Exception):
    """`status` and `kind` (the error's type) are the answer's; with `kind` None the type follows from the status.
    `log` is for the script's author only."""

    def __init__(
        self,
        stage: Stage,
        status: int,
        message: str,
        kind: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        upstream_status: int | None = None,
        log: str = "",
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.status = status
        self.kind = kind
        self.headers = headers
        self.upstream_status = upstream_status
        self.log = log


def bad_input(message: str) -> StageFailed:
    return StageFailed(Stage.INPUT, 400, message)


def over_rate(per_minute: int | None, retry_after_s: int) -> StageFailed:
    message = f"over the definition's rate_limit of {per_minute} a minute"
    return StageFailed(Stage.INPUT, _TOO_MANY, message, headers={"Retry-After": str(retry_after_s)})


def bad_output(stage: Stage, message: str, output: str) -> StageFailed:
    return StageFailed(stage, 502, message, _BAD_OUTPUT, log=f"it begins: {output[:500]!r}")


def run_failed(error: RunFailed) -> StageFailed:
    """The error for an exception of a runner."""
    if isinstance(error, SnippetRaised):
        return _raised(error)
    if isinstance(error, NotText):
        return StageFailed(Stage.RUN, 502, str(error), _BAD_OUTPUT)
    if isinstance(error, TimedOut):
        return StageFailed(Stage.RUN, 504, str(error), headers={"x-should-retry": "false"})
    if isinstance(error, WorkerDied):
        return StageFailed(Stage.RUN, 500, str(error), "worker_crashed")
    assert isinstance(error, Busy)
    return StageFailed(Stage.RUN, 503, str(error), headers={"Retry-After": str(max(1, math.ceil(error.retry_after_s)))})


def _raised(error: SnippetRaised) -> StageFailed:
    message = f"run_inference raised {error.type_name}: {error.message} ({error.where})"
    if error.upstream_status is not None:
        status = _TOO_MANY if error.upstream_status == _TOO_MANY else 502
        retry = {"Retry-After": error.retry_after} if status == _TOO_MANY and error.retry_after else None
        upstream = error.upstream_status
        return StageFailed(
            Stage.RUN, status, message, "upstream_error", headers=retry, upstream_status=upstream, log=error.traceback
        )
    return StageFailed(Stage.RUN, error.status_code or 500, message, "snippet_error", log=error.traceback)
