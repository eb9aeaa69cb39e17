"""The engine's answers and streams in the shape of TGI and LMI."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from handrail_container.http.envelope import Failure, error_body, error_event
from handrail_container.routes.inputs.answers import answer
from handrail_container.routes.inputs.dialect import DIALECTS
from handrail_container.routes.inputs.reading import InputsRequest, read
from handrail_container.routes.inputs.streams import TokenStream
from hypothesis import given
from hypothesis import strategies as st

PATHS = {"messages": "/v1/chat/completions", "prompt": "/v1/completions"}
EOS = "</s>"


def asked(inputs: Any = "p", *, stream: bool = False, **parameters: Any) -> InputsRequest:
    return read({"inputs": inputs, "stream": stream, "parameters": parameters}, DIALECTS["lmi"], PATHS)


def choice(text: str, *tokens: str, reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    logprobs = {"tokens": list(tokens), "token_logprobs": [-1.0] * len(tokens)}
    ids = list(range(len(tokens)))
    return {"index": 0, "text": text, "finish_reason": reason, "logprobs": logprobs, "token_ids": ids, **more}


def texts(tokens: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    return [(token["text"], token["special"]) for token in tokens]


@pytest.mark.parametrize(
    ("reason", "stopped_by", "told"),
    [
        ("length", None, "length"),
        ("stop", None, "eos_token"),
        ("stop", 128_009, "eos_token"),
        ("stop", 7, "stop_sequence"),
        ("stop", "###", "stop_sequence"),
        ("abort", None, "abort"),
    ],
)
def test_why_a_text_ends(reason: str, stopped_by: object, told: str) -> None:
    """By a token of the model's own, or by what was asked for: a text, or a token's id."""
    given = asked(details=True, stop_token_ids=[7])
    found = answer(given, {"choices": [choice("a", "a", reason=reason, stop_reason=stopped_by)]})
    assert found["details"]["finish_reason"] == told


def test_the_token_that_ends_a_text_is_special() -> None:
    """Unless it is part of the text."""
    ended = answer(asked(details=True), {"choices": [choice("a b", "a", " b", EOS)]})
    assert texts(ended["details"]["tokens"]) == [("a", False), (" b", False), (EOS, True)]
    plain = answer(asked(details=True), {"choices": [choice("a b", "a", " b")]})
    assert texts(plain["details"]["tokens"]) == [("a", False), (" b", False)]
    assert answer(asked(details=True), {"choices": [choice("")]})["details"]["tokens"] == []


def test_the_best_answer_has_the_likeliest_tokens() -> None:
    """By their mean; one of which nothing is told comes last."""
    likely = {"tokens": ["b"], "token_logprobs": [-0.1]}
    unknown = {"tokens": ["c"], "token_logprobs": [None]}
    choices = [choice("a", "a"), choice("b", "b", logprobs=likely), choice("c", "c", logprobs=unknown)]
    found = answer(asked(best_of=3, details=True), {"choices": choices})
    assert found["generated_text"] == "b"
    assert [one["generated_text"] for one in found["details"]["best_of_sequences"]] == ["a", "c"]
    assert answer(asked(best_of=3), {"choices": choices}) == {"generated_text": "b"}


def test_ids_and_texts_are_told_as_far_as_they_are_known() -> None:
    """An engine of another kind may know only one of them."""
    found = answer(asked(details=True), {"choices": [{"text": "a", "finish_reason": "stop", "token_ids": [4]}]})
    assert found["details"]["tokens"] == [{"id": 4, "text": "", "logprob": None, "special": True}]
    without = {"content": [{"token": "a", "logprob": -1}]}
    told = {"choices": [{"message": {"content": None}, "finish_reason": "length", "logprobs": without}]}
    found = answer(asked([{"role": "user", "content": "x"}], details=True), told)
    assert found["details"]["tokens"] == [{"id": None, "text": "a", "logprob": -1, "special": False}]
    assert found["generated_text"] == ""


def stream(given: InputsRequest, *, is_sse: bool = False) -> TokenStream:
    return TokenStream(given, is_sse=is_sse, request_id="r")


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.splitlines()]


def one(text: str, *tokens: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [choice(text, *tokens, reason=reason, **more)]}


@given(st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=3), min_size=1, max_size=5), st.data())
def test_what_a_client_joins_is_the_text(pieces: list[list[str]], data: st.DataObject) -> None:
    """However the engine's bytes are cut, and whatever its tokens say of themselves: a text may come later than its
    tokens. The index counts, and only the last event has the text."""
    shown = [data.draw(st.sampled_from(["".join(piece), "", "x"])) for piece in pieces]
    events = [one(text, *piece) for text, piece in zip(shown, pieces, strict=True)]
    events[-1]["choices"][0]["finish_reason"] = data.draw(st.sampled_from(["stop", "length"]))
    raw, found = sse(*events), stream(asked(stream=True))
    cut = data.draw(st.integers(0, len(raw)))
    told = lines(found.feed(raw[:cut]) + found.feed(raw[cut:]) + found.end())
    joined = "".join(event["token"]["text"] for event in told if not event["token"]["special"])
    assert joined == "".join(shown) == told[-1]["generated_text"]
    assert [event["index"] for event in told] == list(range(1, len(told) + 1))
    assert [event["generated_text"] for event in told[:-1]] == [None] * (len(told) - 1)


def test_the_end_of_a_text_has_no_text_in_a_stream() -> None:
    """Whether it comes alone or with another token."""
    for events in ([one("a", "a"), one("", EOS, reason="stop")], [one("a", "a", EOS, reason="stop")]):
        told = lines(stream(asked(stream=True)).feed(sse(*events)))
        assert texts([event["token"] for event in told]) == [("a", False), ("", True)]
        assert told[-1]["generated_text"] == "a"


def test_a_stream_of_an_engine_that_tells_only_texts() -> None:
    """The tokens are its pieces; a first event without any, as of a chat, is none."""
    told = [
        {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        {"choices": [{"delta": {"content": "a"}, "finish_reason": None}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"choices": []},
    ]
    given = asked([{"role": "user", "content": "x"}], stream=True, details=True)
    first, last = lines(stream(given).feed(sse(*told)))
    assert first["token"] == {"id": None, "text": "a", "logprob": None, "special": False}
    assert last["generated_text"] == "a"
    details = {"finish_reason": "eos_token", "generated_tokens": 2, "seed": None, "input_length": None}
    assert last["details"] == details


def failing(*, is_sse: bool) -> tuple[TokenStream, bytes]:
    found = stream(asked(stream=True), is_sse=is_sse)
    found.feed(sse(one("a", "a")))
    event = error_event(error_body(Failure(503, "the engine has died"), "r"))
    return found, found.feed(event + sse(one("b", "b")))


def test_an_error_is_the_last_event() -> None:
    """An event of its own kind, or a line."""
    found, said = failing(is_sse=True)
    assert said.startswith(b'event: error\ndata: {"error":{"message":"the engine has died"')
    assert (said.count(b"\n\n"), found.end(), found.has_failed) == (1, b"", True)
    found, said = failing(is_sse=False)
    assert lines(said)[0]["error"]["message"] == "the engine has died"
    assert len(lines(said)) == 1


@pytest.mark.parametrize("ended", [lambda: sse(one("a", "a")), lambda: sse(one("a", "a"))[:-20]])
def test_a_stream_that_ends_too_early_says_so(ended: Callable[[], bytes]) -> None:
    found = stream(asked(stream=True))
    found.feed(ended())
    assert "before its answer did" in lines(found.end())[0]["error"]["message"]
    assert found.has_failed


@pytest.mark.parametrize("data", ["{", "[]", "{}", '{"choices": [{}]}', '{"choices": 1}'])
def test_a_stream_of_something_else_is_an_error(data: str) -> None:
    """As of a route of the script's own."""
    (told,) = lines(stream(asked(stream=True)).feed(f"data: {data}\n\n".encode()))
    assert "/v1/completions is not one of the OpenAI API" in told["error"]["message"]
