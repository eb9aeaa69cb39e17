from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from handrail_container.engine.echo import Pace
from handrail_container.engine.echo_backend import EchoBackend
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
