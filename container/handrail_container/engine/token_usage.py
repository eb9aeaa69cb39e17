"""Tokens in and out of a request, read from the request's state.

vLLM leaves a `request_metadata` there. A handler may call the engine several times: each facade call has its own state.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any, TypeVar

from starlette.requests import HTTPConnection

State = MutableMapping[str, Any]
T = TypeVar("T")

_CALLS = "engine_calls"


def state_of_call(request: HTTPConnection | None) -> State:
    """An empty state for one engine call; the tokens left in it count for `request`."""
    state: State = {}
    if request is not None:
        request.scope.setdefault("state", {}).setdefault(_CALLS, []).append(state)
    return state


def leave(state: State, tokens_in: int, tokens_out: int) -> None:
    """Record a call's tokens in `state`, in vLLM's form."""
    usage = SimpleNamespace(prompt_tokens=tokens_in, completion_tokens=tokens_out)
    state["request_metadata"] = SimpleNamespace(final_usage_info=usage)


async def counted(outputs: AsyncIterator[T], state: State) -> AsyncIterator[T]:
    """Yield the engine's `outputs`, recording the tokens so far in `state` before each one.

    Recording once at the end would be too late: after a disconnect, a stream may be closed when its request is over."""
    output: Any
    async with aclosing(outputs):  # type: ignore[type-var]  # an async generator
        async for output in outputs:
            leave(state, len(output.prompt_token_ids), len(output.outputs[0].token_ids))
            yield output


def tokens_used(state: State) -> tuple[int, int] | None:
    """Tokens in and out, summed over all calls; None if no call has recorded any."""
    states = [state, *state.get(_CALLS, ())]
    told = [getattr(each.get("request_metadata"), "final_usage_info", None) for each in states]
    known = [usage for usage in told if usage is not None]
    if not known:
        return None
    return sum(usage.prompt_tokens for usage in known), sum(usage.completion_tokens or 0 for usage in known)
