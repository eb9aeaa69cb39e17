"""The interface of a snippet's runner, and its errors.

RunFailed
 ├─ SnippetRaised   run_inference raised
 ├─ NotText         run_inference returned something that is no `str`
 ├─ TimedOut        run_inference took longer than the definition's timeout, and was stopped
 ├─ WorkerDied      the worker's process ended during the call
 └─ Busy            every worker is busy, and the queue is full
"""

from __future__ import annotations

from typing import Any, Protocol


class Runner(Protocol):
    """Runs one snippet for many requests."""

    async def start(self) -> None:
        """Return once the snippet can be run. Raises LoadFailed if it cannot be imported."""

    async def run(self, body: str, *, request_id: str, sample: Any = None) -> str:
        """Run `run_inference` on `body` and return its text. `sample` is the argument of that name, which a server does
        not have. Raises RunFailed."""

    @property
    def is_healthy(self) -> bool:
        """False if the workers die as soon as they are started."""

    async def stop(self) -> None: ...


class RunFailed(Exception):
    """A snippet gave no text."""


class SnippetRaised(RunFailed):
    """`where` is the `file:line` in the author's code; `status_code` is the exception's own status (400 to 599);
    `upstream_status` and `retry_after` come from the response in an HTTP client's exception."""

    def __init__(
        self,
        type_name: str,
        message: str,
        where: str,
        traceback: str,
        *,
        status_code: int | None = None,
        upstream_status: int | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(f"{where} {type_name}: {message}")
        self.type_name = type_name
        self.message = message
        self.where = where
        self.traceback = traceback
        self.status_code = status_code
        self.upstream_status = upstream_status
        self.retry_after = retry_after


class NotText(RunFailed):
    """`where` is the `file:line` of the `return`, or of the `def` if there are several."""

    def __init__(self, type_name: str, where: str = "") -> None:
        instead = _INSTEAD.get(type_name, "write `json.dumps(…)` around it")
        at = f" ({where})" if where else ""
        super().__init__(f"run_inference returned a {type_name}, not a str{at}: {instead}")
        self.type_name = type_name


class TimedOut(RunFailed):
    """`where` is the `file:line` being executed, if known."""

    def __init__(self, timeout_s: float, where: str | None = None) -> None:
        at = f", at {where}" if where else ""
        super().__init__(f"run_inference was stopped after {timeout_s:g} s, which is its timeout{at}")
        self.timeout_s = timeout_s


class WorkerDied(RunFailed):
    """`how` is for instance "exit status 3", or "signal SIGSEGV, at model.yaml:9"."""

    def __init__(self, how: str) -> None:
        super().__init__(f"the worker that ran run_inference ended: {how}")
        self.how = how


class Busy(RunFailed):
    """`retry_after_s` estimates the seconds until a worker is free."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("every worker is busy, and no more requests may wait")
        self.retry_after_s = retry_after_s


#: Advice by the type that was returned.
_INSTEAD = {
    "bytes": "write `.decode()` behind it",
    "NoneType": "write `return` before the answer",
    "Response": "return its `.text`",
}
