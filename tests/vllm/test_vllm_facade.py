"""`handrail.Engine` on a real engine."""

from __future__ import annotations

import asyncio
import copy
import json
from contextlib import aclosing
from typing import Any

import pytest
from conftest import Served
from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="session"),
    # vLLM's own request model marks the field that every client still sends
    pytest.mark.filterwarnings("ignore:max_tokens is deprecated:DeprecationWarning"),
]

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
LONG = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 400, "ignore_eos": True}


def chat(**changes: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "What does /ping do?"}]
    return {"messages": messages, "temperature": 0, "max_tokens": 8} | changes


def request_with_id(request_id: str) -> Request:
    return Request({"type": "http", "headers": [(b"x-request-id", request_id.encode())], "method": "POST", "path": "/"})


async def test_a_chat_answers_a_fresh_model_that_may_be_changed(served: Served) -> None:
    answer = await served.backend.facade.chat_completions(model_input=chat())
    again = await served.backend.facade.chat_completions(model_input=chat())
    assert answer is not again
    answer.choices[0].index = 7
    assert answer.usage.completion_tokens == 8
    assert json.dumps(answer.model_dump(), allow_nan=False)


async def test_calls_under_one_request_have_ids_of_their_own(served: Served) -> None:
    """A handler that fans out has one request; vLLM would take its header for the id of each call."""
    request = request_with_id("same")
    calls = [served.backend.facade.chat_completions(request=request, model_input=chat()) for _ in range(3)]
    assert len({answer.id for answer in await asyncio.gather(*calls)}) == 3


async def test_a_completion_answers_too(served: Served) -> None:
    answer = await served.backend.facade.completions(model_input={"prompt": "What does", "max_tokens": 3})
    assert answer.usage.completion_tokens == 3


async def test_a_name_that_is_no_adapters_means_the_base_model(served: Served) -> None:
    """A Model passes on what its clients send."""
    answer = await served.backend.facade.chat_completions(model_input=chat(model="another"))
    assert answer.model == (await served.client.get("/v1/models")).json()["data"][0]["id"]


async def test_messages_and_responses_answer_too(served: Served) -> None:
    """Streamed as bytes, each event its own; the model need not be named."""
    messages = {"messages": [{"role": "user", "content": "What does /ping do?"}], "max_tokens": 4}
    answer = await served.backend.facade.messages(model_input=messages)
    assert (answer.content[0].type, answer.usage.output_tokens) == ("text", 4)
    responses = {"input": "What does /ping do?", "max_output_tokens": 4}
    answer = await served.backend.facade.responses(model_input=responses)
    assert answer.usage.output_tokens == 4
    for operation, body, last in [("messages", messages, b"message_stop"), ("responses", responses, b"response.")]:
        stream = await getattr(served.backend.facade, operation)(model_input={**body, "stream": True})
        events = [event async for event in stream.body_iterator]
        assert any(last in event for event in events[-2:]), events


async def test_what_the_model_cannot_do_is_501(served: Served) -> None:
    with pytest.raises(HTTPException) as refused:
        await served.backend.facade.embeddings(model_input={"input": "a"})
    assert refused.value.status_code == 501


async def test_predict_streams_text(served: Served) -> None:
    """The keys of Truss's older engines."""
    facade = copy.copy(served.backend.facade)
    facade.answers_with_text = True
    pieces = await facade.predict({"prompt": "What does", "max_tokens": 3, "end_id": 1})
    text = "".join([piece async for piece in pieces])
    assert text == await facade.predict({"prompt": "What does", "max_tokens": 3, "stream": False})


async def test_a_stream_is_server_sent_events_as_bytes(served: Served) -> None:
    answer = await served.backend.facade.chat_completions(model_input=chat(stream=True))
    assert isinstance(answer, StreamingResponse)
    events = [event async for event in answer.body_iterator]
    assert all(isinstance(event, bytes) for event in events)
    assert events[-1] == b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"messages": "hello"}, 400, "messages"),
        (chat(max_tokens=-1), 400, "max_tokens"),
        (chat(tools=TOOLS), 400, "SM_VLLM_ENABLE_AUTO_TOOL_CHOICE=true SM_VLLM_TOOL_CALL_PARSER=…"),
        (chat(messages=[{"role": "user", "content": "word " * 2000}]), 400, "512"),
    ],
)
async def test_what_vllm_refuses_is_an_http_exception(
    served: Served, body: dict[str, Any], status: int, named: str
) -> None:
    with pytest.raises(HTTPException) as refused:
        await served.backend.facade.chat_completions(model_input=body)
    assert refused.value.status_code == status
    assert named in refused.value.detail


async def test_a_cancelled_call_is_cancelled_and_its_request_aborted(served: Served) -> None:
    """vLLM answers a cancellation with an error; here it stays one, so that a time-out is a time-out."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(served.backend.facade.chat_completions(model_input=LONG), 0.1)
    assert await served.unfinished() == 0


async def test_leaving_a_stream_aborts_its_request(served: Served) -> None:
    answer = await served.backend.facade.chat_completions(model_input=LONG | {"stream": True})
    async with aclosing(answer.body_iterator) as events:
        async for _ in events:
            break
    assert await served.unfinished() == 0


async def test_generate_yields_outputs_until_one_is_finished(served: Served) -> None:
    outputs = [output async for output in served.backend.facade.generate("What does", {"max_tokens": 3})]
    assert outputs[-1].finished
    assert len(outputs[-1].outputs[0].token_ids) == 3
    assert [output async for output in served.backend.facade.generate([5, 6, 7])][-1].finished
    assert [output async for output in served.backend.facade.generate({"prompt": "What"})][-1].finished


async def test_leaving_generate_early_aborts_its_request(served: Served) -> None:
    async for _ in served.backend.facade.generate("hello", {"max_tokens": 400, "ignore_eos": True}):
        break
    assert await served.unfinished() == 0


@pytest.mark.parametrize(
    ("prompt", "params"), [("hello", {"max_tokens": -1}), ("hello", {"no_such": 1}), (object(), {})]
)
async def test_generate_refuses_with_an_http_exception(served: Served, prompt: Any, params: dict[str, Any]) -> None:
    with pytest.raises(HTTPException) as refused:
        async for _ in served.backend.facade.generate(prompt, params):
            pass
    assert refused.value.status_code == 400


async def test_tokenize_is_the_models_own_and_raw_is_the_client(served: Served) -> None:
    tokens = served.backend.facade.tokenize("What does")
    response = await served.client.post("/tokenize", json={"prompt": "What does"})
    assert tokens == response.json()["tokens"]
    assert served.backend.facade.raw is served.app.state.engine_client
