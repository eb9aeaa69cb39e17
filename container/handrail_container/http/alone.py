"""Finds an exception of ours that a task group has wrapped."""

from __future__ import annotations

from handrail.core.presence import ClientLeft
from handrail.wrap.downstream import StreamCut
from starlette.requests import ClientDisconnect

from handrail_container.http.json_bounds import BodyRefused


def ours_alone(error: BaseException) -> BaseException:
    """`error`, or an exception of ours that is alone in it: task groups, as of Starlette's middleware, wrap what is
    raised in them. Any other group is its author's."""
    alone: BaseException = error
    while isinstance(alone, BaseExceptionGroup) and len(alone.exceptions) == 1:
        alone = alone.exceptions[0]
    return alone if isinstance(alone, BodyRefused | ClientDisconnect | ClientLeft | StreamCut) else error
