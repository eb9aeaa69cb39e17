"""Hugging Face's client, unmodified, on the routes of TGI."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Launch
from tests.servers import Served

hub = pytest.importorskip("huggingface_hub", exc_type=ImportError)


@pytest.fixture(scope="module")
def echo(serving: Launch) -> Served:
    return serving()


@pytest.fixture(params=["", "/invocations"], ids=["root", "invocations"])
def client(request: pytest.FixtureRequest, serving: Launch, monkeypatch: pytest.MonkeyPatch) -> Any:
    """At the server's own URL, and at /invocations of a server in TGI's dialect."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = serving(HANDRAIL_INPUTS_DIALECT="tgi") if request.param else serving()
    return hub.InferenceClient(served.url + request.param)


def test_a_text(client: Any) -> None:
    """The prompt stands before it, as TGI's client expects of this route."""
    assert client.text_generation("one two", max_new_tokens=1) == "one twoone"
    assert client.text_generation("one two", return_full_text=False, temperature=0.5, stop=["x"]) == "one two"


def test_its_details(client: Any) -> None:
    """In the client's own classes."""
    found = client.text_generation(
        "one two three", details=True, decoder_input_details=True, max_new_tokens=2, return_full_text=False, seed=1
    )
    assert found.generated_text == "one two"
    assert (found.details.finish_reason, found.details.generated_tokens, found.details.seed) == ("length", 2, 1)
    assert [token.text for token in found.details.tokens] == ["one", " two"]
    assert [token.text for token in found.details.prefill] == [" two", " three"]


def test_its_stream(client: Any) -> None:
    """Texts, or the events with their details."""
    assert list(client.text_generation("one two", stream=True)) == ["one", " two"]
    *first, last = client.text_generation("one two", stream=True, details=True, return_full_text=False)
    assert [event.token.text for event in (*first, last)] == ["one", " two"]
    assert (last.generated_text, last.details.finish_reason, last.details.generated_tokens) == (
        "one two",
        "eos_token",
        2,
    )
    assert {event.generated_text for event in first} == {None}


def test_its_grammar_is_taken(client: Any) -> None:
    grammar = {"type": "json", "value": {"properties": {"a": {"type": "string"}}}}
    assert client.text_generation("one", grammar=grammar, return_full_text=False) == "one"


def test_what_is_refused_is_told(client: Any) -> None:
    """The error has our sentence."""
    with pytest.raises(hub.errors.HfHubHTTPError, match="watermark is true"):
        client.text_generation("one", watermark=True)


def test_a_chat(echo: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the routes of OpenAI's API."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = hub.InferenceClient(echo.url)
    messages = [{"role": "user", "content": "one two"}]
    assert client.chat_completion(messages).choices[0].message.content == "one two"
    pieces = [event.choices[0].delta.content for event in client.chat_completion(messages, stream=True)]
    assert "".join(filter(None, pieces)) == "one two"
