from __future__ import annotations

import asyncio
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest
from handrail_container.engine.echo.client import (
    EchoClient,
    Pace,
    RequestOutput,
    max_tokens,
    prompt_text,
    token_ids,
    tokens,
)
from hypothesis import given
from hypothesis import strategies as st


async def outputs(client: EchoClient, prompt: Any, **sampling: Any) -> list[RequestOutput]:
    return [output async for output in client.generate(prompt, sampling, "id")]


@given(st.text())
async def test_the_tokens_of_a_text_are_the_text(text: str) -> None:
    """Nothing is lost but white space at its end, and without a limit the echo is whole."""
    assert "".join(tokens(text)) == text.rstrip() or not text.strip()
    every = await outputs(EchoClient(), text, max_tokens=None)
    assert every[-1].outputs[0].text == "".join(tokens(text))
    assert len(every) == len(tokens(text))


async def test_each_output_is_the_answer_so_far() -> None:
    """As vLLM's client yields them: cumulative, the last one finished, and with the prompt's tokens."""
    every = await outputs(EchoClient(), "one two three")
    assert [output.outputs[0].text for output in every] == ["one", "one two", "one two three"]
    assert [output.finished for output in every] == [False, False, True]
    assert every[-1].outputs[0].finish_reason == "stop"
    assert every[-1].outputs[0].token_ids == every[-1].prompt_token_ids == token_ids("one two three")
    assert (every[-1].request_id, every[-1].prompt) == ("id", "one two three")


async def test_a_request_can_be_aborted() -> None:
    """The next output is the last."""
    client = EchoClient()
    async with aclosing(client.generate("one two three four", None, "id")) as stream:  # type: ignore[type-var]
        await anext(stream)
        assert client.running == {"id"}
        await client.abort("id")
        last = await anext(stream)
        assert (last.finished, last.outputs[0].finish_reason) == (True, "abort")
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_stream_that_is_left_is_not_running() -> None:
    """Leaving the iteration aborts."""
    client = EchoClient()
    async with aclosing(client.generate("one two", None, "id")) as stream:  # type: ignore[type-var]
        await anext(stream)
    assert client.running == set()


async def test_the_pace_is_kept() -> None:
    """It takes at least the time to the first token and between the others."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await outputs(EchoClient(Pace(first_token_s=0.02, between_tokens_s=0.01)), "one two three")
    assert loop.time() - began >= 0.039


async def test_it_is_alive() -> None:
    """What handlers ask of vLLM's client."""
    client = EchoClient()
    await client.check_health()
    assert client.is_running
    assert not client.errored


@pytest.mark.parametrize(
    ("prompt", "text"),
    [("a b", "a b"), ({"prompt": "a b"}, "a b"), ({"prompt_token_ids": [1, 2]}, "1 2"), ({}, ""), (["a"], "['a']")],
)
def test_a_prompt_in_any_form_has_a_text(prompt: Any, text: str) -> None:
    """A string, or one of vLLM's mappings."""
    assert prompt_text(prompt) == text


@pytest.mark.parametrize(
    ("sampling", "limit"),
    [
        (None, 16),
        ({}, 16),
        ({"max_tokens": 3}, 3),
        ({"max_tokens": None}, None),
        ({"max_tokens": 0}, 1),
        (SimpleNamespace(max_tokens=5), 5),
    ],
)
def test_the_limit_is_read_from_whatever_carries_it(sampling: Any, limit: int | None) -> None:
    """vLLM's SamplingParams, a mapping, or nothing: then what SamplingParams has."""
    assert max_tokens(sampling) == limit
