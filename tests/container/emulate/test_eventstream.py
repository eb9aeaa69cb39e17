"""botocore decodes what we encode."""

from __future__ import annotations

import json

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer, EventStreamMessage
from handrail_container.sagemaker.emulate.eventstream import MAX_PAYLOAD, encode, exception, payload_parts
from hypothesis import given
from hypothesis import strategies as st

names = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=255)
values = st.text(max_size=300)


def decoded(stream: bytes) -> list[EventStreamMessage]:
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return list(buffer)


@given(st.dictionaries(names, values, max_size=5), st.binary(max_size=2000))
def test_a_message_comes_back(headers: dict[str, str], payload: bytes) -> None:
    """Its headers and its payload."""
    (message,) = decoded(encode(headers, payload))
    assert (message.headers, message.payload) == (headers, payload)


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=6), st.integers(1, 50))
def test_a_stream_may_be_cut_anywhere(chunks: list[bytes], step: int) -> None:
    """One event a chunk, however the bytes arrive."""
    stream, buffer = b"".join(map(payload_parts, chunks)), EventStreamBuffer()
    messages = []
    for at in range(0, len(stream), step):
        buffer.add_data(stream[at : at + step])
        messages += list(buffer)
    assert [message.payload for message in messages] == chunks


def test_a_large_chunk_is_several_events() -> None:
    """Nothing of it is lost."""
    chunk = bytes(range(256)) * (2 * MAX_PAYLOAD // 256) + b"end"
    payloads = [message.payload for message in decoded(payload_parts(chunk))]
    assert [len(payload) for payload in payloads] == [MAX_PAYLOAD, MAX_PAYLOAD, 3]
    assert b"".join(payloads) == chunk


def test_an_exception_is_one_to_botocore() -> None:
    """With a status, its name, and what it says."""
    (message,) = decoded(exception("ModelStreamError", Message="it broke", ErrorCode="StreamBroken"))
    seen = message.to_response_dict()
    assert seen["status_code"] == 400
    assert seen["headers"][":exception-type"] == "ModelStreamError"
    assert json.loads(seen["body"]) == {"Message": "it broke", "ErrorCode": "StreamBroken"}


@given(st.integers(12, 40))
def test_a_broken_byte_is_seen(at: int) -> None:
    """The checksums are of these bytes."""
    broken = bytearray(payload_parts(b"some words to break"))
    broken[at] ^= 1
    with pytest.raises(ChecksumMismatch):
        decoded(bytes(broken))
