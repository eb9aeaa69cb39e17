"""What runs a snippet, and the ways in which that goes wrong.

RunFailed
 ├─ SnippetRaised   run_inference raised
 ├─ NotText         it returned something that is no `str`
 ├─ TimedOut        it took longer than the definition's timeout, and was stopped
 ├─ WorkerDied      its process ended under it
 └─ Busy            every worker is busy, and no more may wait
"""

from __future__ import annotations

from typing import Any, Protocol


class Runner(Protocol):
    """Runs one snippet, over and over."""

    async def start(self) -> None:
        """Returns once the snippet can be run. Raises LoadFailed where it cannot be imported."""

    async def run(self, body: str, *, request_id: str, sample: Any = None) -> str:
        """What `run_inference` returned for `body`. `sample` is what a parameter of that name gets: a server has none.
        Raises RunFailed."""

    @property
    def is_healthy(self) -> bool:
        """False where the workers die as soon as they are started."""

    async def stop(self) -> None: ...


class RunFailed(Exception):
    """Why a snippet gave no text."""


class SnippetRaised(RunFailed):
    """`where` is the `file:line` in the author's code; `status_code` what the exception itself has to say (400 to
    599); `upstream_status` and `retry_after` are of the response that an HTTP client's exception carries."""

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
    """`where` is the `file:line` of its `return`, or of its `def` where it has several."""

    def __init__(self, type_name: str, where: str = "") -> None:
        instead = _INSTEAD.get(type_name, "write `json.dumps(…)` around it")
        at = f" ({where})" if where else ""
        super().__init__(f"run_inference returned a {type_name}, not a str{at}: {instead}")
        self.type_name = type_name


class TimedOut(RunFailed):
    """`where` is the `file:line` it was at, if that can be told."""

    def __init__(self, timeout_s: float, where: str | None = None) -> None:
        at = f", at {where}" if where else ""
        super().__init__(f"run_inference was stopped after {timeout_s:g} s, which is its timeout{at}")
        self.timeout_s = timeout_s


class WorkerDied(RunFailed):
    """`how` is "exit status 3", say, or "signal SIGSEGV, at model.yaml:9"."""

    def __init__(self, how: str) -> None:
        super().__init__(f"the worker that ran run_inference ended: {how}")
        self.how = how


class Busy(RunFailed):
    """`retry_after_s` is a guess at when one is free."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("every worker is busy, and no more requests may wait")
        self.retry_after_s = retry_after_s


#: What to write where it returned something of that type.
_INSTEAD = {
    "bytes": "write `.decode()` behind it",
    "NoneType": "write `return` before the answer",
    "Response": "return its `.text`",
}
