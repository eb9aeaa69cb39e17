"""vLLM's own routes on the application it was given."""

from __future__ import annotations

import openai
import prometheus_client
import pytest
from conftest import MODEL, Served

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="session"),
    # vLLM's own request model marks the field that every client still sends
    pytest.mark.filterwarnings("ignore:max_tokens is deprecated:DeprecationWarning"),
]

QUESTION = {"messages": [{"role": "user", "content": "What does /ping do?"}], "temperature": 0, "max_tokens": 24}


async def answer(served: Served, **body: object) -> str:
    response = await served.client.post("/v1/chat/completions", json=QUESTION | body)
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


async def test_a_chat_is_answered_whatever_the_model_is_called(served: Served) -> None:
    """No model, an empty one, the directory as given, and its name all mean the one that is served."""
    answers = {
        await answer(served),
        await answer(served, model=""),
        await answer(served, model=str(MODEL)),
        await answer(served, model=MODEL.name),
    }
    assert len(answers) == 1
    assert answers.pop()


async def test_an_unknown_model_is_404_with_the_names_there_are(served: Served) -> None:
    response = await served.client.post("/v1/chat/completions", json=QUESTION | {"model": "another"})
    assert response.status_code == 404
    assert MODEL.name in response.json()["error"]["message"]


async def test_the_openai_client_streams_what_it_gets_in_one_piece(served: Served) -> None:
    client = openai.AsyncOpenAI(base_url="http://engine/v1", api_key="-", http_client=served.client)
    stream = await client.chat.completions.create(model=MODEL.name, stream=True, **QUESTION)  # type: ignore[call-overload]
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == await answer(served)


async def test_completions_models_tokenize_and_detokenize_answer(served: Served) -> None:
    completion = await served.client.post("/v1/completions", json={"prompt": "What", "max_tokens": 3})
    assert completion.json()["usage"]["completion_tokens"] == 3
    models = (await served.client.get("/v1/models")).json()["data"]
    assert [model["id"] for model in models] == [str(MODEL), MODEL.name]
    tokens = (await served.client.post("/tokenize", json={"prompt": "What does", "add_special_tokens": False})).json()
    text = await served.client.post("/detokenize", json={"tokens": tokens["tokens"]})
    assert text.json()["prompt"] == "What does"


async def test_anthropic_messages_and_responses_answer(served: Served) -> None:
    body = {"model": MODEL.name, "max_tokens": 3, "messages": QUESTION["messages"]}
    assert (await served.client.post("/v1/messages", json=body)).status_code == 200
    body = {"input": "What does /ping do?", "max_output_tokens": 3}
    assert (await served.client.post("/v1/responses", json=body)).status_code == 200


@pytest.mark.parametrize("path", ["/ping", "/invocations", "/health", "/metrics"])
async def test_what_the_server_answers_itself_is_not_here(served: Served, path: str) -> None:
    assert (await served.client.get(path)).status_code == 404


async def test_a_bad_body_is_400_with_the_reason(served: Served) -> None:
    response = await served.client.post("/v1/chat/completions", json=QUESTION | {"max_tokens": -1})
    assert response.status_code == 400
    assert "max_tokens" in response.json()["error"]["message"]


async def test_a_payload_key_leads_to_a_route_that_the_model_has(served: Served) -> None:
    assert served.backend.routes_by_payload == {
        "messages": "/v1/chat/completions",
        "prompt": "/v1/completions",
        "input": "/v1/responses",
    }


async def test_vllms_metrics_are_in_the_default_registry(served: Served) -> None:
    await answer(served)
    assert "vllm:generation_tokens_total" in prometheus_client.generate_latest().decode()


async def test_an_endpoint_plugin_of_vllms_answers(served: Served) -> None:
    """One that VLLM_PLUGINS names: its route, and the state that it makes of the engine."""
    assert (await served.client.get("/hello")).json() == {"model": str(MODEL)}
