from __future__ import annotations

from typing import Any

import openai
import pytest
from handrail_container.engine.echo.openai import ChatRequest, CompletionRequest

from tests.conftest import Launch
from tests.servers import Served

MESSAGES: Any = [{"role": "user", "content": "What does /ping do?"}]


@pytest.fixture(scope="module")
def echo(serving: Launch) -> Served:
    return serving()


@pytest.fixture
def client(echo: Served) -> Any:
    with openai.OpenAI(base_url=f"{echo.url}/v1", api_key="any", max_retries=0, http_client=None) as client:
        yield client


def test_the_served_model_is_listed(client: openai.OpenAI) -> None:
    """`echo`, where SM_VLLM_MODEL names none."""
    assert [model.id for model in client.models.list()] == ["echo"]


def test_the_served_model_has_the_name_it_was_given(serving: Launch) -> None:
    """A script written for one model finds it under its name."""
    served = serving(SM_VLLM_MODEL="org/name")
    assert served.http.get("/v1/models").json()["data"][0]["id"] == "org/name"


def test_a_chat(client: openai.OpenAI) -> None:
    """OpenAI's client reads the echo as its own service's answer."""
    answer = client.chat.completions.create(model="echo", messages=MESSAGES)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == "What does /ping do?"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 4, 8)


def test_a_streamed_chat(client: openai.OpenAI) -> None:
    """A chunk a token, one id, the finish reason at the end, and the usage where it was asked for."""
    options: Any = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="echo", messages=MESSAGES, stream=True, stream_options=options))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert pieces == ["", "What", " does", " /ping", " do?"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-2:] == [None, "stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4


def test_every_chunk_has_the_usage_so_far_where_it_is_asked_for(client: openai.OpenAI) -> None:
    """As vLLM has it, so that a stream which is left can be billed."""
    options: Any = {"include_usage": True, "continuous_usage_stats": True}
    chunks = list(client.chat.completions.create(model="echo", messages=MESSAGES, stream=True, stream_options=options))
    used = [chunk.usage and (chunk.usage.prompt_tokens, chunk.usage.completion_tokens) for chunk in chunks]
    assert used == [None, (4, 1), (4, 2), (4, 3), (4, 4), (4, 4)]


def test_a_completion(client: openai.OpenAI) -> None:
    """Sixteen tokens where nothing else is asked for, as OpenAI has it."""
    answer = client.completions.create(model="echo", prompt=" ".join(["word"] * 20))
    assert answer.object == "text_completion"
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (" ".join(["word"] * 16), "length")


def test_a_streamed_completion(client: openai.OpenAI) -> None:
    """Without usage where it was not asked for."""
    chunks = list(client.completions.create(model="echo", prompt="one two three", max_tokens=2, stream=True))
    assert [chunk.choices[0].text for chunk in chunks] == ["one", " two"]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, "length"]


def test_two_answers_have_two_ids(client: openai.OpenAI) -> None:
    """Also where the client repeats its request id."""
    headers = {"X-Request-Id": "again"}
    ids = [client.chat.completions.create(model="echo", messages=MESSAGES, extra_headers=headers).id for _ in range(2)]
    assert len(set(ids)) == 2
    assert all(each.startswith("chatcmpl-") for each in ids)


def test_a_bad_request_is_openai_s_own_exception(client: openai.OpenAI) -> None:
    """400, with the field that is wrong."""
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.chat.completions.create(model="echo", messages="hello")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "text"),
    [("a b", "a b"), (None, ""), ([{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}], "a  b")],
)
def test_the_text_of_a_chat_is_that_of_its_last_message(content: Any, text: str) -> None:
    """A string, nothing, or parts."""
    messages = [{"role": "user", "content": "before"}, {"role": "user", "content": content}]
    assert ChatRequest.model_validate({"messages": messages}).text() == text


def test_a_chat_of_no_messages_has_no_text() -> None:
    """An echo of nothing."""
    assert ChatRequest.model_validate({"messages": []}).text() == ""


def test_the_newer_name_of_the_limit_comes_first() -> None:
    """`max_completion_tokens` before `max_tokens`; a completion has 16 where a chat has none."""
    chat: dict[str, Any] = {"messages": []}
    assert ChatRequest.model_validate(chat).limit() is None
    assert ChatRequest.model_validate({**chat, "max_tokens": 3}).limit() == 3
    assert ChatRequest.model_validate({**chat, "max_tokens": 3, "max_completion_tokens": 2}).limit() == 2
    assert CompletionRequest.model_validate({"prompt": "p"}).limit() == 16
