from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from handrail_container.engine.echo.backend import EchoBackend
from handrail_container.engine.echo.client import Pace
from starlette.responses import StreamingResponse

from tests.conftest import Launch


@pytest.fixture
def backend() -> EchoBackend:
    return EchoBackend(Pace(), "echo")


async def test_the_facade_has_every_call(backend: EchoBackend) -> None:
    """A handler written for vLLM's facade runs on it."""
    engine = backend.facade
    chat = await engine.chat_completions(model_input={"messages": [{"role": "user", "content": "a b"}]})
    assert chat.choices[0].message.content == "a b"
    completion = await engine.completions(model_input={"prompt": "a b c", "max_tokens": 1})
    assert completion.choices[0].text == "a"
    assert [output.outputs[0].text async for output in engine.generate("a b")] == ["a", "a b"]
    assert len(engine.tokenize("a b c")) == 3
    assert engine.raw is backend.client


async def test_a_stream_of_the_facade_is_events_as_bytes(backend: EchoBackend) -> None:
    """A StreamingResponse, which a handler may return as it is."""
    answer = await backend.facade.completions(model_input={"prompt": "a b", "stream": True})
    assert isinstance(answer, StreamingResponse)
    events = [event async for event in answer.body_iterator]
    assert all(isinstance(event, bytes) for event in events)
    assert events[-1] == b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("operation", "body", "text"),
    [
        ("messages", {"messages": [{"role": "user", "content": "a b"}], "max_tokens": 9}, "content.0.text"),
        ("responses", {"input": "a b"}, "output.0.content.0.text"),
        ("responses", {"input": [{"role": "user", "content": [{"text": "a b"}]}]}, "output.0.content.0.text"),
    ],
)
async def test_the_other_apis_answer_in_their_own_shape(
    backend: EchoBackend, operation: str, body: dict[str, Any], text: str
) -> None:
    """Streamed too: a delta a token, and a last event."""
    answer = (await getattr(backend.facade, operation)(model_input=body)).model_dump()
    assert answer["usage"] == {"input_tokens": 2, "output_tokens": 2}
    for key in text.split("."):
        answer = answer[int(key) if key.isdecimal() else key]
    assert answer == "a b"
    stream = await getattr(backend.facade, operation)(model_input={**body, "stream": True})
    events = [event async for event in stream.body_iterator]
    assert [event.split(b"\n")[0].decode().rpartition(".")[2].rpartition("_")[2] for event in events] == [
        *("delta", "delta"),
        {"messages": "stop", "responses": "completed"}[operation],
    ]


async def test_embeddings_are_the_same_for_the_same_text(backend: EchoBackend) -> None:
    one = await backend.facade.embeddings(model_input={"input": "a"})
    two = await backend.facade.embeddings(model_input={"input": ["b", "a"], "model": "m"})
    assert one.data[0].embedding == two.data[1].embedding != two.data[0].embedding
    assert (two.model, two.usage.total_tokens) == ("m", 2)


async def test_predict_is_a_chat_or_text(backend: EchoBackend) -> None:
    """As Truss's engines take it: OpenAI's form, or by the older tag text, streamed by default."""
    engine = backend.facade
    whole = await engine.predict({"prompt": "a b"})
    assert whole.choices[0].text == "a b"
    assert isinstance(await engine.predict({"prompt": "a b", "stream": True}), StreamingResponse)
    engine.answers_with_text = True
    chat = await engine.predict({"messages": [{"role": "user", "content": "a b"}]})
    assert chat.choices[0].message.content == "a b"
    pieces = await engine.predict({"prompt": "a b", "end_id": 2, "stop_words": "x,y", "beam_width": 1}, None)
    assert [piece async for piece in pieces] == ["a", " b"]
    assert await engine.predict({"prompt": "a b", "stream": False}) == "a b"


async def test_an_answer_can_be_changed(backend: EchoBackend) -> None:
    """It is fresh and mutable."""
    answer = await backend.facade.completions(model_input={"prompt": "a"})
    answer.choices[0].text = "changed"
    assert json.loads(answer.model_dump_json())["choices"][0]["text"] == "changed"


async def test_a_bad_body_is_an_http_exception(backend: EchoBackend) -> None:
    """With the first field that is wrong."""
    with pytest.raises(HTTPException) as refused:
        await backend.facade.chat_completions(model_input={"messages": [{"content": "no role"}]})
    assert (refused.value.status_code, refused.value.detail) == (400, "messages.0.role: Field required")


async def test_nothing_of_it_can_go_wrong(backend: EchoBackend) -> None:
    """It prepares, warms up, is healthy, and stops twice."""
    app = FastAPI()
    backend.prepare()
    await backend.start(app)
    await backend.warm_up()
    await backend.check_health()
    await backend.stop()
    await backend.stop()
    assert backend.client.running == set()
    assert set(backend.routes_by_payload.values()) <= {getattr(route, "path", None) for route in app.routes}


def test_tokenize_has_its_route(serving: Launch) -> None:
    """As vLLM's."""
    http = serving().http
    answer: dict[str, Any] = http.post("/tokenize", json={"prompt": "a b b"}).json()
    assert answer["count"] == len(answer["tokens"]) == 3
    assert answer["tokens"][1] == answer["tokens"][2]
    assert http.post("/tokenize", json={}).json()["count"] == 0


async def test_each_prompt_has_its_answers(backend: EchoBackend) -> None:
    """`n` of them, in order; their tokens are counted together, the prompt's once."""
    answer = await backend.facade.completions(model_input={"prompt": ["a b", "c"], "n": 2})
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, "a b"), (1, "a b"), (2, "c"), (3, "c")]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 6)
    assert (await backend.facade.completions(model_input={"prompt": [1, 2]})).choices[0].text == "[1, 2]"


@pytest.mark.parametrize(("n", "says"), [(9000, "9,000 answers are asked for"), (0, "n: ")])
async def test_answers_have_a_bound(backend: EchoBackend, n: int, says: str) -> None:
    with pytest.raises(HTTPException, match=says):
        await backend.facade.chat_completions(model_input={"messages": [{"role": "user", "content": "a"}], "n": n})


async def test_texts_have_a_bound() -> None:
    """HANDRAIL_MAX_TEXT_CHARS; and one on the prompts of a request, each as often as it is answered."""
    facade = EchoBackend(Pace(), "echo", most_text=10).facade
    for body in ({"prompt": "a" * 11}, {"prompt": ["a", "b" * 11]}):
        with pytest.raises(HTTPException, match="HANDRAIL_MAX_TEXT_CHARS allows 10"):
            await facade.completions(model_input=body)
    with pytest.raises(HTTPException, match="HANDRAIL_MAX_TEXT_CHARS allows 10"):
        facade.tokenize("a" * 11)
    with pytest.raises(HTTPException, match="25,000,001 characters, each `n` times"):
        await EchoBackend(Pace(), "echo").facade.completions(model_input={"prompt": "a" * 25_000_001})


async def test_an_answer_has_a_bound(backend: EchoBackend) -> None:
    """Of tokens, as a model's context is one."""
    body = {"prompt": "a " * 5000, "max_tokens": 5000}
    assert (await backend.facade.completions(model_input=body)).usage.completion_tokens == 4096


async def test_a_stream_has_all_answers(backend: EchoBackend) -> None:
    """One after the other."""
    body = {"messages": [{"role": "user", "content": "a b"}], "n": 2, "stream": True}
    answer = await backend.facade.chat_completions(model_input=body)
    events = [
        json.loads(event.removeprefix(b"data: ")) async for event in answer.body_iterator if b"[DONE]" not in event
    ]
    told = [(choice["index"], choice["delta"]["content"]) for event in events for choice in event["choices"]]
    assert told == [(0, ""), (0, "a"), (0, " b"), (1, ""), (1, "a"), (1, " b")]


def test_several_conversations_have_a_route(serving: Launch) -> None:
    """As vLLM's, without streams."""
    path, served = "/v1/chat/completions/batch", serving()
    messages = [[{"role": "user", "content": text}] for text in ("a b", "c")]
    answer = served.http.post(path, json={"messages": messages}).json()
    assert [(one["index"], one["message"]["content"]) for one in answer["choices"]] == [(0, "a b"), (1, "c")]
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    for wrong in ({"stream": True}, {"n": 2}, {"messages": []}):
        assert served.http.post(path, json={"messages": messages, **wrong}).status_code == 400
