"""Tokens, as calls of the engine leave them behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from handrail_container.engine.echo.client import EchoClient
from handrail_container.engine.token_usage import counted, leave, state_of_call, tokens_used
from starlette.requests import Request


def test_a_request_has_spent_what_all_its_calls_have() -> None:
    """And nothing is known of one that called nobody, or whose engine was silent; vLLM may have no number."""
    request = Request({"type": "http"})
    first, second = state_of_call(request), state_of_call(request)
    assert tokens_used(request.scope["state"]) is None
    leave(first, 3, 4)
    second["request_metadata"] = SimpleNamespace(
        final_usage_info=SimpleNamespace(prompt_tokens=5, completion_tokens=None)
    )
    assert tokens_used(request.scope["state"]) == (8, 4)
    request.scope["state"]["request_metadata"] = SimpleNamespace(final_usage_info=None)
    assert tokens_used(request.scope["state"]) == (8, 4)


def test_a_call_for_no_request_is_nobodys() -> None:
    """It has a state all the same."""
    assert state_of_call(None) == {}


async def test_an_answer_that_was_left_counts_as_far_as_it_came() -> None:
    """And one that never began does not."""
    state: dict[str, Any] = {}
    outputs = counted(EchoClient().generate("one two three"), state)
    assert tokens_used(state) is None
    await anext(outputs)
    await anext(outputs)
    assert tokens_used(state) == (3, 2)  # whoever closes it may do so when its request is over
    await outputs.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_an_engine_that_gives_nothing_has_spent_nothing() -> None:
    """As far as anybody knows."""

    async def nothing() -> AsyncIterator[Any]:
        for output in ():
            yield output

    state: dict[str, Any] = {}
    assert [output async for output in counted(nothing(), state)] == []
    assert tokens_used(state) is None
