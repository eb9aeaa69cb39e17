"""Chats and completions without the framework around them: vLLM answers as it does with it."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from conftest import MODEL, Served
from handrail_container.engine.asgi.direct import Direct, direct
from starlette.types import Receive, Scope, Send

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("ignore:max_tokens is deprecated:DeprecationWarning"),
]

CHAT = {"messages": [{"role": "user", "content": "What does /ping do?"}], "temperature": 0, "max_tokens": 6}
COMPLETION = {"prompt": "What does", "temperature": 0, "max_tokens": 6}
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
BODIES: list[dict[str, Any]] = [
    *({}, STREAM, {"n": 2}, {"n": 2, **STREAM}, {"stop": ["e"]}, {"response_format": {"type": "json_object"}}),
    *({"model": MODEL.name}, {"model": "another"}, {"max_tokens": -1}, {"max_tokens": 100_000}, {"temperature": "hot"}),
    *({"stream": True, "max_tokens": 100_000}, {"logit_bias": {"5": 1000}}, {"nobody knows": 1}, {"echo": True}),
    {"stream_options": {"include_usage": True}},
]


def client_of(served: Served) -> httpx.AsyncClient:
    called = direct(served.app, served.app, served.backend.direct_paths)
    assert isinstance(called, Direct)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """As the server gives it to the engine."""
        await called({**scope, "state": {"handrail.exchange": SimpleNamespace()}}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine")


def told(response: httpx.Response) -> tuple[int, list[tuple[str, str]], str]:
    """Without what differs from one request to the next; of a stream, what its pieces say together: on a busy machine
    vLLM has several tokens in one."""
    text = re.sub(r'"(id|created|request_id)":\s*("[^"]*"|\d+)', r'"\1":0', response.text)
    if response.headers["content-type"].startswith("text/event-stream"):
        said = "".join(re.findall(r'"(?:content|text)":\s*"((?:[^"\\]|\\.)*)"', text))
        counted = re.findall(r'"\w+_tokens":\s*\d+', text)[-3:]
        text = "\n".join(("".join(sorted(said)), *counted, text.rstrip().split("\n\n")[-1]))  # answers mix, too
    headers = [pair for pair in response.headers.multi_items() if pair[0] != "content-length"]
    return response.status_code, headers, text


@pytest.mark.parametrize("body", BODIES, ids=repr)
@pytest.mark.parametrize(("path", "asked"), [("/v1/chat/completions", CHAT), ("/v1/completions", COMPLETION)])
async def test_vllm_answers_as_with_the_framework(
    served: Served, path: str, asked: dict[str, Any], body: dict[str, Any]
) -> None:
    async with client_of(served) as ours:
        assert told(await ours.post(path, json=asked | body)) == told(await served.client.post(path, json=asked | body))


MESSAGES = {"model": MODEL.name, "messages": CHAT["messages"], "max_tokens": 6, "temperature": 0}
OTHERS: list[tuple[str, dict[str, Any]]] = [
    *(("/tokenize", {"prompt": "What does"}), ("/tokenize", CHAT), ("/tokenize", {"prompt": 0})),
    *(("/detokenize", {"tokens": [5, 6]}), ("/detokenize", {"tokens": ["a"]})),
    *(
        ("/v1/messages", MESSAGES),
        ("/v1/messages", {**MESSAGES, "stream": True, "max_tokens": 1}),
        ("/v1/messages", CHAT),
    ),
    *(("/v1/messages/count_tokens", MESSAGES), ("/v1/messages/count_tokens", {})),
    *(("/v1/responses", {"input": [{}]}), ("/v1/responses", {"input": "a", "model": "another"})),
]


@pytest.mark.parametrize(("path", "asked"), OTHERS, ids=repr)
async def test_a_large_body_of_any_route_is_answered_as_with_the_framework(
    served: Served, path: str, asked: dict[str, Any]
) -> None:
    """And the function is called without it."""
    body = {**asked, "nobody knows": "x" * 20_000}
    async with client_of(served) as ours:
        assert told(await ours.post(path, json=body)) == told(await served.client.post(path, json=body))
    assert direct(served.app, served.app, [path]) is not served.app


async def test_both_are_called_directly(served: Served) -> None:
    """On this vLLM: where a function is not as it was, the framework calls it, and nobody would notice."""
    for path in ("/v1/chat/completions", "/v1/completions"):
        assert isinstance(direct(served.app, served.app, [path]), Direct)
    assert len(served.backend.direct_paths) == 2


@pytest.mark.parametrize("header", ["json", "text"])
async def test_the_load_is_told_as_with_the_framework(served: Served, header: str) -> None:
    """In a header of the answer, for whom asks for it."""
    asks = {"endpoint-load-metrics-format": header}
    async with client_of(served) as ours:
        answers = [
            (await client.post("/v1/completions", json=COMPLETION, headers=asks)).headers
            for client in (ours, served.client)
        ]
    assert answers[0].keys() == answers[1].keys()
    assert "endpoint-load-metrics" in answers[0]
