from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from handrail_container.process.exits import EngineDeadError
from handrail_container.routes.defaults import DefaultPing
from starlette.exceptions import HTTPException

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served

CHAT = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "two words"}]}


@pytest.fixture(scope="module")
def echo(serving: Launch) -> Served:
    return serving()


def ask(served: Served, payload: Any, **headers: str) -> httpx.Response:
    return served.http.post("/invocations", content=json.dumps(payload), headers=headers)


def refusal(answer: httpx.Response, status: int = 400, kind: str = "bad_request") -> str:
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    message: str = answer.json()["error"]["message"]
    return message


def test_a_body_that_names_no_route_is_described_by_its_first_keys(echo: Served) -> None:
    """A client may send half a million of them, or one of 24 MB."""
    told = refusal(ask(echo, {f"key-{number}": 1 for number in range(5000)}))
    assert told.endswith("'key-8', 'key-9' and 4,990 more")
    long = refusal(ask(echo, {"k" * 100_000: 1}))
    assert long.endswith(f"this is an object with '{'k' * 40}… (100,000 characters)'")


def test_messages_are_a_chat(echo: Served) -> None:
    """The echo of the last message, in the shape of OpenAI's API."""
    answer = ask(echo, CHAT).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "two words"}
    assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}


def test_a_prompt_is_a_completion(echo: Served) -> None:
    """The echo of the prompt."""
    answer = ask(echo, {"prompt": "one two three", "max_tokens": 2}).json()
    assert answer["object"] == "text_completion"
    assert (answer["choices"][0]["text"], answer["choices"][0]["finish_reason"]) == ("one two", "length")


def test_messages_come_before_a_prompt(echo: Served) -> None:
    """Where a payload has both."""
    assert ask(echo, {"prompt": "p", **CHAT}).json()["object"] == "chat.completion"


@pytest.mark.parametrize("model", [{}, {"model": ""}, {"model": None}])
def test_the_model_may_be_absent_or_empty(echo: Served, model: dict[str, Any]) -> None:
    """The one that is served answers."""
    answer = ask(echo, {**CHAT, **model})
    assert (answer.status_code, answer.json()["model"]) == (200, "echo")


def test_a_stream_is_server_sent_events(echo: Served) -> None:
    """Where the payload says `"stream": true`: a chunk a token, and [DONE]."""
    with echo.http.stream("POST", "/invocations", json={**CHAT, "stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"].get("content") for event in events[:-1]]
    assert "".join(filter(None, deltas)) == "two words"


@pytest.mark.parametrize(
    ("payload", "got"),
    [
        ({"instances": ["x"], "parameters": {}}, "an object with 'instances', 'parameters'"),
        ({}, "an object with no keys"),
        (["prompt"], "a JSON array"),
        ([], "a JSON array"),
        ("prompt", "a JSON string"),
        (1, "a JSON number"),
        (1.5, "a JSON number"),
        (True, "a JSON boolean"),
        (None, "a JSON null"),
    ],
)
def test_another_payload_is_told_which_are_taken(echo: Served, payload: Any, got: str) -> None:
    """400 with the accepted shapes, and what this one is."""
    message = refusal(ask(echo, payload))
    assert '{"messages": …} (/v1/chat/completions) or {"prompt": …} (/v1/completions)' in message
    assert message.endswith(f"this is {got}")


def test_a_payload_the_engine_refuses_is_400(echo: Served) -> None:
    """It names the field."""
    assert refusal(ask(echo, {"messages": "hello"})).startswith("messages: ")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/ld+json"])
def test_any_spelling_of_json_is_json(echo: Served, content_type: str) -> None:
    """Parameters, case, and types built on JSON."""
    assert ask(echo, CHAT, **{"Content-Type": content_type}).status_code == 200


def test_a_body_without_a_type_is_taken_for_json(echo: Served) -> None:
    """SageMaker's clients need not name one."""
    request = echo.http.build_request("POST", "/invocations", content=json.dumps(CHAT))
    assert "content-type" not in request.headers
    assert echo.http.send(request).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "status", "kind"),
    [
        ("text/plain", 400, "bad_request"),
        ("application/x-www-form-urlencoded", 400, "bad_request"),
        ("image/png", 400, "bad_request"),
        ("nonsense", 400, "bad_request"),
        ("text/csv", 415, "unsupported_media_type"),
        ("application/jsonlines", 415, "unsupported_media_type"),
    ],
)
def test_another_content_type_is_refused(echo: Served, content_type: str, status: int, kind: str) -> None:
    """It is quoted, with the one to send; those of a batch transform have a status of their own."""
    message = refusal(ask(echo, CHAT, **{"Content-Type": content_type}), status, kind)
    assert repr(content_type) in message
    assert "application/json" in message


def test_ping_and_health_are_the_engine_s_health(echo: Served) -> None:
    """/health is the default ping, whoever answers /ping."""
    for path in ("/ping", "/health"):
        assert echo.http.get(path).json() == {"status": "healthy"}


def test_a_custom_ping_that_says_no_is_503_and_health_is_still_the_default(launch: Launch) -> None:
    """False is 503; /health stays the engine's."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="sick_ping.py")
    served.says("ready after")
    assert served.http.get("/ping").status_code == 503
    assert served.http.get("/health").status_code == 200


class Dead:
    """As much of an engine as a ping asks."""

    async def check_health(self) -> None:
        raise EngineDeadError("its process ended")


async def test_a_dead_engine_is_503_with_the_reason() -> None:
    """Before the server has noticed by itself."""
    with pytest.raises(HTTPException) as answered:
        await DefaultPing(Dead())({}, None, None)  # type: ignore[arg-type]
    assert (answered.value.status_code, answered.value.detail) == (503, "its process ended")


def test_without_an_engine_the_default_says_what_is_missing(serving: Launch) -> None:
    """HANDRAIL_ENGINE=none and no handler."""
    served = serving(HANDRAIL_ENGINE="none")
    assert "give model.py a handler" in refusal(ask(served, CHAT))
    assert served.http.get("/ping").status_code == 200
    assert served.http.post("/v1/chat/completions", json=CHAT).status_code == 404
