"""Streams that are written without an object for each event, against one that is made of pydantic's."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest
from handrail_container.engine.deltas import Frame, frame_of, streamed
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel


class Delta(BaseModel):
    content: str | None = None
    role: str | None = None


class Choice(BaseModel):
    index: int = 0
    delta: Delta | None = None
    text: str | None = None
    logprobs: Any = None
    finish_reason: str | None = None


class Event(BaseModel):
    id: str = 'an "id"'
    object: str = "chunk"
    created: int = 1
    model: str = '"delta":{"content":"x"}'
    choices: list[Choice] = []
    usage: Any = None


@dataclass
class Output:
    text: str
    finish_reason: str | None = None
    index: int = 0
    stop_reason: str | int | None = None
    token_ids: list[int] = field(default_factory=lambda: [7])


@dataclass
class Result:
    outputs: list[Output]


def event(choice: Choice | None, **more: Any) -> str:
    said = Event(choices=[choice] if choice else [], **more)
    return f"data: {said.model_dump_json(exclude_unset=True)}\n\n"


@dataclass
class Engine:
    """A generator as an engine's own: it counts, tells errors, and is closed; `seen` are the texts that reached it."""

    is_chat: bool = True
    usage: bool = False
    fails_at: str | None = None
    seen: list[str] = field(default_factory=list)
    closed: int = 0

    async def events(self, results: AsyncIterator[Any]) -> AsyncGenerator[str, None]:
        tokens, is_first = 0, True
        try:
            async for given_result in results:
                result = given_result[1] if isinstance(given_result, tuple) else given_result
                if is_first and self.is_chat:
                    yield event(Choice(delta=Delta(role="assistant", content=""), finish_reason=None))
                is_first = False
                for output in result.outputs:
                    self.seen.append(output.text)
                    assert output.text != self.fails_at, "what it was told"
                    tokens += len(output.token_ids)
                    yield self._event(output, tokens)
            yield event(None, usage=tokens)
        except Exception as error:  # noqa: BLE001  as engines do
            yield f'data: {{"error": "{type(error).__name__}"}}\n\n'
        finally:
            self.closed += 1
        yield "data: [DONE]\n\n"

    def _event(self, output: Output, tokens: int) -> str:
        about = {"index": output.index, "finish_reason": output.finish_reason}
        told = {"delta": Delta(content=output.text)} if self.is_chat else {"text": output.text}
        usage = {"usage": tokens} if self.usage else {}
        return event(Choice(**about, **told), **usage)


async def produced(outputs: list[Any], error: BaseException | None, *, paired: bool) -> AsyncIterator[Any]:
    for one in outputs:
        result = Result([Output(**vars(each)) for each in one]) if isinstance(one, list) else Result([one])
        yield (0, result) if paired else result
    if error is not None:
        raise error


def copies(outputs: list[Any]) -> list[Any]:
    return [[Output(**vars(each)) for each in (one if isinstance(one, list) else [one])] for one in outputs]


async def both(outputs: list[Any], *, error: Exception | None = None, **engine: Any) -> tuple[list[str], Engine]:
    """The stream, when it is the engine's own to the byte."""
    own, ours = Engine(**engine), Engine(**engine)
    paired = not own.is_chat
    expected = [one async for one in own.events(produced(copies(outputs), error, paired=paired))]
    stream = [one async for one in streamed(ours.events, produced(copies(outputs), error, paired=paired))]
    assert stream == expected
    assert ours.closed == 1
    return stream, ours


def words(*texts: str) -> list[Output]:
    return [Output(text) for text in texts]


END = Output("!", finish_reason="stop")
#: Characters that JSON escapes, or that some encoders do.
TEXTS = st.text() | st.text(alphabet='"\\/\n\r\t\b\f\x00\x1f\x7f\u2028\u2029\xa0é☃😀\ufeff<>&')


@given(TEXTS, TEXTS, st.booleans())
def test_any_text_is_encoded_as_pydantic_does(first: str, text: str, is_chat: bool) -> None:
    def whole(said: str) -> str:
        told = {"delta": Delta(content=said)} if is_chat else {"text": said}
        return event(Choice(index=0, finish_reason=None, logprobs=None, **told))

    frame = frame_of(whole(first), first)
    assert frame is not None
    assert frame.event(text) == whole(text)


@pytest.mark.parametrize("is_chat", [True, False])
async def test_what_lies_between_the_first_and_the_last_is_told_in_one(is_chat: bool) -> None:
    stream, engine = await both([*words("a", 'b"', "", "é😀", "\n"), END], is_chat=is_chat)
    assert engine.seen == ["a", 'b"é😀\n', "!"]
    assert stream[-2] == event(None, usage=6)


async def test_nothing_is_told_twice_where_nothing_lies_between() -> None:
    assert (await both([Output("a"), END]))[1].seen == ["a", "!"]
    assert (await both([END]))[1].seen == ["!"]
    assert (await both([]))[1].seen == []


async def test_the_first_result_that_has_tokens_shows_how_events_look() -> None:
    _, engine = await both([Output("", token_ids=[]), *words("a", "b", "c"), END])
    assert engine.seen == ["", "a", "bc", "!"]


async def test_a_stream_that_ends_early_is_counted_whole() -> None:
    stream, _ = await both(words("a", "b", "c"))
    assert stream[-2] == event(None, usage=3)


async def test_an_error_reaches_the_engines_own_words() -> None:
    stream, _ = await both(words("a", "b", "c"), error=ValueError("out of luck"))
    assert stream[-2:] == ['data: {"error": "ValueError"}\n\n', "data: [DONE]\n\n"]


async def test_what_the_engine_fails_over_is_told() -> None:
    engine = Engine(fails_at="bc")
    stream = [one async for one in streamed(engine.events, produced([*words("a", "b", "c"), END], None, paired=False))]
    assert [json.loads(one[6:])["choices"][0]["delta"]["content"] for one in stream[:4]] == ["", "a", "b", "c"]
    assert stream[4:] == ['data: {"error": "AssertionError"}\n\n', "data: [DONE]\n\n"]


@pytest.mark.parametrize(
    "odd",
    [
        Output("b", index=1),
        Output("b", stop_reason=5),
        Output("b", finish_reason="error"),
        [Output("b"), Output("c")],
    ],
    ids=str,
)
async def test_from_the_first_result_that_is_more_than_text_the_engine_writes(odd: Any) -> None:
    _, engine = await both([*words("a", "x", "y"), odd, *words("d", "e")])
    assert engine.seen[:2] == ["a", "xy"]
    assert engine.seen[-2:] == ["d", "e"]


async def test_another_prompts_result_is_the_engines() -> None:
    engine = Engine(is_chat=False)

    async def results() -> AsyncIterator[Any]:
        for place, text in enumerate("abc"):
            yield place, Result([Output(text)])

    assert len([one async for one in streamed(engine.events, results())]) == 5
    assert engine.seen == ["a", "b", "c"]


async def test_half_a_surrogate_pair_fails_as_with_the_engine() -> None:
    stream, _ = await both([*words("a", "b", "\ud800", "c"), END])
    assert stream[-2] == 'data: {"error": "PydanticSerializationError"}\n\n'


async def test_events_that_differ_in_more_than_text_are_the_engines() -> None:
    _, engine = await both([*words("a", "b", "c"), END], usage=True)
    assert engine.seen == ["a", "b", "c", "!"]


async def test_who_stops_listening_closes_the_engines_generator() -> None:
    engine = Engine()
    results = produced([*words("a", "b", "c"), END], None, paired=False)
    async with aclosing(streamed(engine.events, results)) as stream:
        async for one in stream:
            if '"b"' in one:
                break
    assert engine.closed == 1


async def test_a_cancellation_is_no_error_to_tell() -> None:
    engine = Engine()
    results = produced(words("a", "b"), KeyboardInterrupt(), paired=False)
    with pytest.raises(KeyboardInterrupt):
        _ = [one async for one in streamed(engine.events, results)]
    assert engine.closed == 1


@pytest.mark.parametrize(
    "said",
    [
        "data: [DONE]\n\n",
        "data: none\n\n",
        'data: {"error": "a"}\n\n',
        'data: {"choices":[]}\n\n',
        'data: {"choices":[{"index":0}]}\n\n',
        'data: {"choices":[{"index":0,"text":"a"},{"index":1,"text":"a"}]}\n\n',
        'data: {"choices":[{"index":1,"text":"a"}]}\n\n',
        'data: {"choices":[{"text":"a"}]}\n\n',
        'data: {"choices":[{"index":0,"text":"b"}]}\n\n',
        'data: {"choices":[{"index":0,"text":"a","token_ids":[1]}]}\n\n',
        'data: {"choices":[{"index":0,"text":"a","delta":{"content":"a"}}]}\n\n',
        'data: {"choices":[{"index":0,"delta":{"content":"a","role":"user"}}]}\n\n',
        'data: {"choices":[{"index":0,"text":"a"}],"usage":{}}\n\n',
        'data: {"choices":[{"index":0,"text": "a"}]}\n\n',
        'data: {"choices":[{"index":0,"text":"\\u0061"}]}\n\n',
    ],
)
def test_no_frame_is_taken_from(said: str) -> None:
    assert frame_of(said, "a") is None


def test_what_is_null_stays_null() -> None:
    said = 'data: {"choices":[{"index":0,"text":"a","token_ids":null}],"usage":null}\n\n'
    head, tail = said.split('"a"')
    assert frame_of(said, "a") == Frame(head, tail)
