"""Undoes a failed deployment: deletes the resources that it has created, in reverse order."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from handrail_container.sagemaker.deploy.errors import AwsError, DeployError


class Undo:
    """A context manager: an exception, also by Ctrl-C and SIGTERM, undoes the registered steps, unless `keep`.

    A `take_back` function returns False if there was nothing to undo.
    """

    def __init__(self, say: Callable[[str], None], *, keep: bool) -> None:
        self._say = say
        self._keep = keep
        self._made: list[tuple[str, Callable[[], object]]] = []

    def make(self, what: str, act: Callable[[], object], take_back: Callable[[], object]) -> None:
        """Register, then do: AWS may have received a call whose answer was lost."""
        self.made(f"what AWS may have of {what}", take_back)
        act()
        self._made[-1] = (what, take_back)

    def made(self, what: str, take_back: Callable[[], object]) -> None:
        self._made.append((what, take_back))

    def forget(self) -> None:
        """Keep everything made so far."""
        self._made.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        for what, take_back in reversed(self._made):
            if self._keep:
                self._say(f"kept: {what}")
            else:
                self._take_back(what, take_back)

    def _take_back(self, what: str, take_back: Callable[[], object]) -> None:
        """Undo one step; a failure is reported and does not stop the others."""
        try:
            there_was = take_back() is not False
        except (AwsError, DeployError) as error:
            self._say(f"NOT taken back: {what}: {error}")
        else:
            if there_was:
                self._say(f"taken back: {what}")
