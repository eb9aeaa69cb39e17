"""How much a JSON body may hold, whatever its bytes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from fastapi import HTTPException
from handrail_container.http.json_bounds import NO_BOUNDS, JsonBounds, JsonCount, TooMuchJson, require_bounded
from hypothesis import given, settings
from hypothesis import strategies as st

TREES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='a",:[]{}\\\n\u2222\u5b7b'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='b"[\\:'), inner, max_size=4),
)


def counts(tree: Any) -> JsonBounds:
    """As the product counts, by walking: an item or a key costs one unless it is the first, which its bracket pays."""
    inner = list(tree.values()) if isinstance(tree, dict) else tree if isinstance(tree, list) else None
    if inner is None:
        return JsonBounds(0, 0, 0)
    below = [counts(one) for one in inner]
    own = 1 + max(0, len(inner) - 1) + (len(inner) if isinstance(tree, dict) else 0)
    return JsonBounds(
        own + sum(one.values for one in below),
        1 + sum(one.objects for one in below),
        1 + max((one.depth for one in below), default=0),
    )


def refused(document: bytes, bounds: JsonBounds, step: int) -> str:
    count = JsonCount(bounds)
    try:
        for begin in range(0, len(document), step):
            count.add(document[begin : begin + step])
    except TooMuchJson as error:
        return str(error.detail)
    return ""


@given(
    st.lists(TREES, min_size=1) | st.dictionaries(st.text(), TREES, min_size=1),
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from(["", " \n\t"]),
)
@settings(deadline=None, max_examples=300)
def test_what_is_counted_is_what_a_parser_would_make(tree: Any, step: int, is_ascii: bool, space: str) -> None:
    """However it comes in pieces, and whatever its strings hold."""
    document = (space + json.dumps(tree, ensure_ascii=is_ascii)).encode(errors="surrogatepass")
    has = counts(tree)
    assert refused(document, has, step) == ""
    if len(document) < 4:
        return
    assert "HANDRAIL_MAX_JSON_VALUES" in refused(document, has._replace(values=has.values - 1), step)
    assert "HANDRAIL_MAX_JSON_OBJECTS" in refused(document, has._replace(objects=has.objects - 1), step)
    assert "HANDRAIL_MAX_JSON_DEPTH" in refused(document, has._replace(depth=has.depth - 1), step)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
@pytest.mark.parametrize("step", [1, 3, 10_000])
def test_no_encoding_that_a_parser_reads_hides_what_is_inside(encoding: str, step: int) -> None:
    """In UTF-16, half of a sign may be a quotation mark."""
    text = '["\u2222", ' + ", ".join(["[]"] * 50) + "]"
    document = text.encode(encoding)
    assert json.loads(document)
    assert "objects" in refused(document, NO_BOUNDS._replace(objects=50), step)
    assert refused(document, NO_BOUNDS._replace(objects=51), step) == ""


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("step", [1, 3, 10_000])
def test_what_is_counted_is_the_same_in_all_encodings(encoding: str, step: int) -> None:
    """The depth as well; brackets and separators in a string are none, and half of a surrogate pair is a character."""
    document = ('["[[[[,,,,\\"{{::\u5b5b\ud800"]').encode(encoding, "surrogatepass")
    assert refused(document, JsonBounds(1, 1, 1), step) == ""
    assert "HANDRAIL_MAX_JSON_DEPTH" in refused(("[" * 300).encode(encoding), NO_BOUNDS._replace(depth=299), step)


@pytest.mark.parametrize(
    "document",
    [
        b"a,b,c\n" * 50,
        b"\x89PNG[[[[[[[[[[{{{{{{{{{{::::::::::,,,,,,,,,,",
        b'"' + b"[" * 50 + b'"',
        b'{"a":[1]}\n' * 50,  # lines of JSON, of which a parser takes none
        b"[1]]]]" + b"[" * 50,
        b" " * 100,
    ],
)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_what_is_no_json_document_is_left_to_whoever_reads_it(document: bytes, step: int) -> None:
    assert refused(document, JsonBounds(8, 4, 4), step) == ""


def test_a_message_is_held_to_the_same_bounds() -> None:
    bounds = JsonBounds(10_000, 5000, 8)
    for honest in ("x" * 100_000, '{"a":"' + "[" * 100_000 + '"}', "[" + "0," * 9000 + "0]"):
        require_bounded(honest, bounds)
        require_bounded(honest.encode(), bounds)
    for large in ("[" + "[]," * 6000 + "0]", "[" + "0," * 20_000 + "0]", '{"a":' + "[" * 5000):
        with pytest.raises(TooMuchJson, match="HANDRAIL_MAX_JSON_"):
            require_bounded(large, bounds)
        with pytest.raises(TooMuchJson, match="HANDRAIL_MAX_JSON_"):
            require_bounded(large.encode(), bounds)
    require_bounded('{"a":"\ud800' + "x" * 5000 + '"}', bounds)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_depth_of_a_small_message_is_bounded_too(encoding: str) -> None:
    """A parser may take what is 900 deep, and what follows it may not."""
    bounds = JsonBounds(10_000, 5000, 200)
    for honest in ("[" * 200 + "]" * 200, "[" + "{}," * 300 + "1]", '["' + "[" * 1000 + '"]', "{" * 3):
        require_bounded(honest.encode(encoding), bounds)
    with pytest.raises(TooMuchJson, match="HANDRAIL_MAX_JSON_DEPTH"):
        require_bounded(("[" * 201 + "]" * 201).encode(encoding), bounds)


def numbers(*numbers: str) -> bytes:
    return b"[" + ",".join(numbers).encode() + b"]"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (numbers(*["0." + "3" * 500] * 10), "a number of 400 digits or more"),
        (numbers(*["3" * 500] * 10).decode().encode("utf-16"), "a number of 400 digits or more"),
        (numbers(json.dumps("9" * 500 + '"\\' * 2500), "9" * 500), "a number of 400 digits or more"),
        (b'["' + b"a" * 65_533 + b'\\""' + b"," + b"1" * 500 + b"]", "a number of 400 digits or more"),
    ],
    ids=["floats", "utf-16", "behind a string", "behind a string's end"],
)
def test_numbers_that_cost_more_than_their_digits_are_400(document: bytes, words: str) -> None:
    with pytest.raises(HTTPException, match=words) as refused:
        require_bounded(document, NO_BOUNDS)
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    "document",
    [
        numbers(*(str(1_800_000_000_000_000_000 + 4_194_304 * k) for k in range(5_000))),
        numbers(*[str(2**61)] * 5_000),
        numbers(*(str(0.1 * k) for k in range(5_000))),
        json.dumps(["1" * 10_000, '"' + "2" * 10_000, "\\" + "3" * 10_000, "." * 10_000]).encode(),
        json.dumps({"text": '\\"' * 40_000 + "4" * 70_000 + '"'}).encode(),
    ],
    ids=["ids", "one of them", "floats", "digits of a text", "a long text"],
)
def test_numbers_of_honest_clients_pass(document: bytes) -> None:
    require_bounded(document, NO_BOUNDS)


def test_the_check_of_numbers_takes_no_longer_the_longer_they_are() -> None:
    """Runs that are almost too long are read once."""

    def cost(document: bytes) -> float:
        began = time.thread_time()
        require_bounded(document, NO_BOUNDS)
        return time.thread_time() - began

    short = min(cost(numbers(*["1" * 210] * 10_000)) for _ in range(3))
    long = min(cost(numbers(*["1" * 399] * 5_250)) for _ in range(3))
    assert long < 5 * short
