"""What small requests to real vLLM cost everybody else: the processor time for which the loop does not turn.

The engine is in another process; what is measured is the server's, which is this one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from conftest import FLAGS, MODEL

from tests.container.heart import Heart
from tests.container.test_server import Running, running
from tests.servers import PATIENCE_S

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore"),  # torch's and transformers' own, while they are imported
]

CHAT, COMPLETIONS, BATCH = "/v1/chat/completions", "/v1/completions", "/v1/chat/completions/batch"
RESPONSES = "/v1/responses"
SAID = [{"role": "user", "content": "a"}]
LONG = {"max_tokens": 400, "ignore_eos": True}
#: Of one turn of the loop: 0.25 s, and what a busy machine makes of it.
MOST_S = 0.75


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    flags = {"SM_VLLM_MODEL": str(MODEL), **FLAGS}
    given: dict[str, Any] = {"HANDRAIL_ENGINE": "vllm", "HANDRAIL_INVOCATION_TIMEOUT_S": 300, "SM_VLLM_<FLAG>": flags}
    async with running(tmp_path_factory.mktemp("model"), **given) as served:
        async with asyncio.timeout(4 * PATIENCE_S):
            await served.answers(200)
        served.http.timeout = httpx.Timeout(300)
        yield served


async def asked(server: Running, path: str, body: dict[str, Any]) -> httpx.Response:
    """The answer; the loop has turned all the while."""
    async with Heart().beating() as heart:
        answer = await server.http.post(path, json=body)
    assert heart.worst_s < MOST_S
    return answer


#: As many log probabilities as are let through, or nearly.
MANY: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT, {"messages": SAID, "n": 10, "logprobs": True, "top_logprobs": 20, **LONG}),
    "chat without alternatives": (CHAT, {"messages": SAID, "n": 60, "logprobs": True, "top_logprobs": 0, **LONG}),
    "chat without a length": (
        CHAT,
        {"messages": SAID, "n": 3, "logprobs": True, "top_logprobs": 5, "ignore_eos": True},
    ),
    "chat with beams": (
        CHAT,
        {"messages": SAID, "n": 4, "use_beam_search": True, "logprobs": True, "top_logprobs": 8, **LONG},
    ),
    "batch": (BATCH, {"messages": [SAID] * 10, "logprobs": True, "top_logprobs": 20, **LONG}),
    "completions": (COMPLETIONS, {"prompt": "a", "n": 10, "logprobs": 20, **LONG}),
    "completions of two prompts": (COMPLETIONS, {"prompt": ["a"] * 2, "n": 5, "logprobs": 20, **LONG}),
    "completions without alternatives": (COMPLETIONS, {"prompt": "a", "n": 60, "logprobs": 0, **LONG}),
    "completions with beams": (COMPLETIONS, {"prompt": "a", "n": 4, "use_beam_search": True, **LONG}),
    "a prompt's": (COMPLETIONS, {"prompt": [5] * 450, "n": 3, "prompt_logprobs": 20, "max_tokens": 2}),
    "an echo": (COMPLETIONS, {"prompt": [5] * 450, "n": 3, "echo": True, "logprobs": 20, "max_tokens": 20}),
}


@pytest.mark.parametrize("name", MANY)
async def test_nobody_waits_for_log_probabilities(server: Running, name: str) -> None:
    path, body = MANY[name]
    answer = await asked(server, path, body)
    assert answer.status_code == 200, answer.text[:300]
    assert len(answer.json()["choices"]) >= body.get("n", 1)


async def test_an_answer_that_a_thread_builds_is_the_same(server: Running) -> None:
    body = {"messages": SAID, "logprobs": True, "top_logprobs": 20, "temperature": 0, "seed": 1, "ignore_eos": True}
    short = (await server.http.post(CHAT, json={**body, "max_tokens": 60})).json()["choices"][0]
    long = (await server.http.post(CHAT, json={**body, "max_tokens": 120})).json()["choices"][0]
    assert short["logprobs"]["content"] == long["logprobs"]["content"][:60]
    assert len(long["logprobs"]["content"]) == 120
    assert long["message"]["content"].startswith(short["message"]["content"])


async def test_a_chat_of_the_responses_api_may_have_them(server: Running) -> None:
    body = {"input": "a", "include": ["message.output_text.logprobs"], "top_logprobs": 20, "max_output_tokens": 400}
    answer = await asked(server, RESPONSES, body)
    (text,) = answer.json()["output"][0]["content"]
    assert text["logprobs"]
    assert len(text["logprobs"][0]["top_logprobs"]) == 20


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": SAID, "n": 11, "logprobs": True, "top_logprobs": 20, **LONG}),
        (CHAT, {"messages": SAID, "n": 2, "logprobs": True, "top_logprobs": 20}),
        (CHAT, {"messages": SAID, "n": 100, "logprobs": True, "top_logprobs": 20, **LONG}),
        (CHAT, {"messages": SAID, "n": 100, "logprobs": True, "top_logprobs": 20, "stream": True, **LONG}),
        (BATCH, {"messages": [SAID] * 11, "logprobs": True, "top_logprobs": 20, **LONG}),
        (COMPLETIONS, {"prompt": ["a"] * 2, "n": 100, "logprobs": 20, **LONG}),
        (COMPLETIONS, {"prompt": "hi " * 440, "n": 10, "prompt_logprobs": 20}),
        (
            RESPONSES,
            {"input": "a", "include": ["message.output_text.logprobs"], "top_logprobs": 20}
            | {"max_output_tokens": 5_000},
        ),
    ],
)
async def test_more_log_probabilities_are_not_asked_for(server: Running, path: str, body: dict[str, Any]) -> None:
    answer = await asked(server, path, body)
    assert answer.status_code == 400
    assert "log probabilities" in answer.json()["error"]["message"]


async def test_a_stream_may_have_more(server: Running) -> None:
    body = {"messages": SAID, "n": 20, "logprobs": True, "top_logprobs": 20, "stream": True, **LONG}
    answer = await asked(server, CHAT, body)
    assert answer.status_code == 200
    assert answer.text.endswith("data: [DONE]\n\n")


def call(arguments: str, times: int = 1) -> list[dict[str, Any]]:
    one = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return [*SAID, {"role": "assistant", "tool_calls": [one] * times}]


#: The arguments of tool calls, and how many calls have them.
ARGUMENTS: dict[str, tuple[str, int, str]] = {
    "long numbers": ('{"a":' + "9" * 4_000 + "}", 4_000, "a number of 400 digits"),
    "a number alone": ("9" * 4_300, 5_000, "a number of 400 digits"),
    "objects": ('{"a":[' + "{}," * 400_000 + "{}]}", 15, "MAX_JSON_OBJECTS"),
    "objects in small strings": ('{"a":[{},{},{}]}', 6_000, "MAX_JSON_OBJECTS"),
    "values": (json.dumps({"a": [0] * 90_000}), 40, "MAX_JSON_VALUES"),
    "depth": ('{"a":' + "[" * 1_900 + "]" * 1_900 + "}", 1, "MAX_JSON_DEPTH"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
async def test_arguments_of_tool_calls_are_bounded_together(server: Running, name: str) -> None:
    arguments, times, words = ARGUMENTS[name]
    for path in (CHAT, "/tokenize"):
        answer = await asked(server, path, {"messages": call(arguments, times)})
        assert answer.status_code == 400
        assert words in answer.json()["error"]["message"]
    items = [{"type": "function_call", "call_id": "a", "name": "f", "arguments": arguments}] * times
    answer = await asked(server, RESPONSES, {"input": items})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "arguments", [{"a": [0] * 990_000}, {f"k{key}": 0 for key in range(490_000)}], ids=["items", "keys"]
)
async def test_nobody_waits_for_arguments_that_are_let_through(server: Running, arguments: dict[str, Any]) -> None:
    answer = await asked(
        server, CHAT, {"messages": call(json.dumps(arguments, separators=(",", ":"))), "max_tokens": 1}
    )
    assert "HANDRAIL_MAX_TEXT_CHARS" in answer.json()["error"]["message"]


CIRCLE = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ({"regex": r"\p{L}{1,400}"}, "Unicode character class escape"),
        ({"json": CIRCLE}, "no text matches"),
        ({"json": {"allOf": [{"$ref": "#"}]}}, "no text matches"),
        ({"json": {"type": "string", "pattern": r"\p{L}{1,400}"}}, "Unicode character class escape"),
        ({"grammar": "root ::= root"}, "no text matches"),
    ],
)
async def test_a_grammar_that_the_engine_cannot_follow_is_the_clients_fault(
    server: Running, outputs: dict[str, Any], reason: str
) -> None:
    first = {"prompt": "a", "max_tokens": 2, "structured_outputs": {"json": {"type": "object"}}}
    assert (await server.http.post(COMPLETIONS, json=first)).status_code == 200  # and chooses the compiler
    for path, body in (
        (COMPLETIONS, {"prompt": "a"}),
        (CHAT, {"messages": SAID}),
        (COMPLETIONS, {"prompt": "a", "n": 3}),
    ):
        answer = await server.http.post(path, json={**body, "max_tokens": 5, "structured_outputs": outputs})
        assert answer.status_code == 400
        assert reason in answer.json()["error"]["message"]


async def test_a_stream_with_such_a_grammar_ends_with_the_reason(server: Running) -> None:
    body = {"prompt": "a", "max_tokens": 5, "stream": True, "structured_outputs": {"json": CIRCLE}}
    answer = await server.http.post(COMPLETIONS, json=body)
    assert "no text matches" in answer.text
    assert '"code":400' in answer.text.replace(" ", "")
