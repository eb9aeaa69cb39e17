"""Requests with `inputs` on vLLM: what is translated is obeyed, and what is told is what the model made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.examples import MODEL, SMALL
from tests.servers import PATIENCE_S, Served

pytestmark = pytest.mark.vllm

QUESTION = "user: What does /ping do?"
CHAT = [{"role": "user", "content": "What does /ping do?"}]
GREEDY = {"do_sample": False, "max_new_tokens": 24}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("inputs")
    served = Served(folder, folder / "log", **({"SM_VLLM_MODEL": str(MODEL), "HANDRAIL_MAX_N": "8"} | SMALL))
    try:
        yield served.ready(4 * PATIENCE_S)
    finally:
        assert served.stop() == 0


def ask(served: Served, inputs: Any, path: str = "/invocations", **parameters: Any) -> Any:
    body = {"inputs": inputs, "parameters": GREEDY | parameters}
    return served.http.post(path, json=body).raise_for_status().json()


def events(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line.removeprefix("data:")) for line in answer.text.splitlines() if line]


def completion(served: Served, **body: Any) -> Any:
    asked = {"prompt": QUESTION, "temperature": 0, "max_tokens": 24, **body}
    return served.http.post("/v1/completions", json=asked).raise_for_status().json()


def test_a_text_is_a_completion(model: Served) -> None:
    """The same text as the engine's own route gives, each of several its own, and the prompt before it if asked for."""
    expected = completion(model)["choices"][0]["text"]
    assert ask(model, QUESTION) == {"generated_text": expected}
    assert ask(model, QUESTION, return_full_text=True) == {"generated_text": QUESTION + expected}
    other = ask(model, "user: Who are you?")
    assert ask(model, [QUESTION, "user: Who are you?"]) == [{"generated_text": expected}, other]


def test_messages_are_a_chat(model: Served) -> None:
    """One alone, or several at once."""
    asked = {"messages": CHAT, "temperature": 0, "max_tokens": 24}
    chat = model.http.post("/v1/chat/completions", json=asked).raise_for_status().json()
    expected = {"generated_text": chat["choices"][0]["message"]["content"]}
    assert ask(model, CHAT) == expected
    first, second = ask(model, [CHAT, CHAT], details=True)
    assert first["generated_text"] == second["generated_text"] == expected["generated_text"]
    assert first["details"]["generated_tokens"] == chat["usage"]["completion_tokens"]
    assert [ask(model, [CHAT])] == [[expected]]


def test_details_are_the_engine_s_tokens(model: Served) -> None:
    """Their ids, texts and log probabilities; the end is one of them, the prompt's have a list of their own."""
    found = ask(model, QUESTION, decoder_input_details=True, seed=3, max_new_tokens=200)
    details, told = found["details"], completion(model, max_tokens=200, logprobs=0, return_token_ids=True)
    (choice,) = told["choices"]
    assert [token["id"] for token in details["tokens"]] == choice["token_ids"]
    assert details["generated_tokens"] == told["usage"]["completion_tokens"]
    assert details["tokens"][0]["logprob"] == pytest.approx(choice["logprobs"]["token_logprobs"][0], abs=1e-2)
    assert (details["finish_reason"], details["seed"]) == ("eos_token", 3)
    specials = [token["special"] for token in details["tokens"]]
    assert (specials[-1], any(specials[:-1])) == (True, False)
    assert "".join(token["text"] for token in details["tokens"][:-1]) == found["generated_text"]
    assert len(details["prefill"]) == told["usage"]["prompt_tokens"] - 1
    assert all(token["logprob"] <= 0 and token["text"] for token in details["prefill"])


@pytest.mark.parametrize("inputs", [QUESTION, CHAT], ids=["text", "chat"])
@pytest.mark.parametrize("path", ["/invocations", "/generate_stream"])
def test_a_stream_has_each_token(model: Served, inputs: Any, path: str) -> None:
    """What a client joins is the answer as it is whole; the last event counts what came before it."""
    whole = ask(model, inputs, max_new_tokens=200, details=True)
    body = {"inputs": inputs, "parameters": GREEDY | {"max_new_tokens": 200, "details": True}, "stream": True}
    *first, last = events(model.http.post(path, json=body))
    tokens = [event["token"] for event in (*first, last)]
    assert "".join(token["text"] for token in tokens if not token["special"]) == whole["generated_text"]
    assert last["generated_text"] == whole["generated_text"]
    assert [token["id"] for token in tokens] == [token["id"] for token in whole["details"]["tokens"]]
    assert last["details"]["generated_tokens"] == whole["details"]["generated_tokens"] == len(tokens)
    assert last["details"]["input_length"] > 0
    assert last["details"]["finish_reason"] == "eos_token"


def test_a_stop_sequence_and_a_limit_end_a_text(model: Served) -> None:
    """Streamed or not."""
    text = ask(model, QUESTION)["generated_text"]
    stop = text.split()[2]
    for parameters, reason in (({"stop": [stop]}, "stop_sequence"), ({"max_new_tokens": 3}, "length")):
        found = ask(model, QUESTION, details=True, **parameters)
        assert found["details"]["finish_reason"] == reason
        assert text.startswith(found["generated_text"])
        body = {"inputs": QUESTION, "parameters": GREEDY | {"details": True, **parameters}, "stream": True}
        last = events(model.http.post("/invocations", json=body))[-1]
        assert (last["generated_text"], last["details"]["finish_reason"]) == (found["generated_text"], reason)


def test_a_grammar_is_followed_and_a_prompt_is_cut(model: Served) -> None:
    """Each by the field that vLLM has for it."""
    text = ask(model, QUESTION, grammar={"type": "regex", "value": "[0-9]{3}"})["generated_text"]
    assert text.isdigit()
    assert len(text) == 3
    schema = {"type": "object", "properties": {"a": {"enum": [1]}}, "required": ["a"], "additionalProperties": False}
    text = ask(model, QUESTION, grammar={"type": "json", "value": schema})["generated_text"]
    assert text.lstrip().startswith('{"a":')
    body = {"inputs": QUESTION, "parameters": GREEDY | {"truncate": 2, "details": True}, "stream": True}
    assert events(model.http.post("/invocations", json=body))[-1]["details"]["input_length"] == 2


def test_the_best_of_several_is_told(model: Served) -> None:
    """With the others, by their mean log probability; as many as HANDRAIL_MAX_N allows."""
    found = ask(model, QUESTION, do_sample=True, temperature=1.5, best_of=4, details=True)
    sequences = [found["details"], *found["details"]["best_of_sequences"]]
    assert len(sequences) == 4
    means = [sum(token["logprob"] for token in one["tokens"]) / len(one["tokens"]) for one in sequences]
    assert means == sorted(means, reverse=True)
    body = {"inputs": [QUESTION] * 3, "parameters": {"best_of": 3, "temperature": 1}}
    refused = model.http.post("/invocations", json=body)
    assert refused.status_code == 400
    assert "HANDRAIL_MAX_N" in refused.json()["error"]["message"]


def test_what_vllm_refuses_is_400_before_a_stream_begins(model: Served) -> None:
    """In vLLM's words, which name the field."""
    body = {"inputs": QUESTION, "stream": True, "parameters": {"top_p": 7}}
    answer = model.http.post("/invocations", json=body)
    assert answer.status_code == 400
    assert "top_p" in answer.json()["error"]["message"]


def test_hugging_face_s_client_chats_without_a_model_s_name(model: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends `dummy` where it is given a URL."""
    hub = pytest.importorskip("huggingface_hub", exc_type=ImportError)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    answer = hub.InferenceClient(model.url).chat_completion(CHAT, max_tokens=24, temperature=0)
    asked = {"messages": CHAT, "temperature": 0, "max_tokens": 24}
    told = model.http.post("/v1/chat/completions", json=asked).json()
    assert answer.choices[0].message.content == told["choices"][0]["message"]["content"]
    assert answer.model == told["model"]
    assert model.http.post("/v1/chat/completions", json={**asked, "model": "another"}).status_code == 404
