from __future__ import annotations

import asyncio
import io

import pytest
from handrail_container.program.workers import wire
from hypothesis import given
from hypothesis import strategies as st

JSON = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
TEXT = st.text(st.characters())  # lone surrogates, NUL and all


@given(st.dictionaries(st.text(), JSON), TEXT)
def test_any_message_survives(fields: dict[str, object], text: str) -> None:
    assert wire.read(io.BytesIO(wire.pack(fields, text))) == (fields, text)


async def test_messages_follow_each_other() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(wire.pack({"a": 1}, "one") + wire.pack({}, "\ud83d\ude00"))
    stream.feed_eof()
    assert await wire.receive(stream) == ({"a": 1}, "one")
    assert await wire.receive(stream) == ({}, "\ud83d\ude00")
    with pytest.raises(asyncio.IncompleteReadError):
        await wire.receive(stream)


@given(st.data())
def test_a_message_cut_short_is_none(data: st.DataObject) -> None:
    whole = wire.pack({"a": 1}, "text")
    assert wire.read(io.BytesIO(whole[: data.draw(st.integers(0, len(whole) - 1))])) is None
