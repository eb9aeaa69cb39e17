"""SageMaker's bidirectional streaming where nobody has a handler, on a real vLLM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from trained import ARR, PING, PIRATE, answer_to, user
from websockets.sync.client import ClientConnection, connect

from tests.examples import Example
from tests.servers import eventually

pytestmark = pytest.mark.vllm

CHAT = {"model": "", "messages": [user(PING)], "temperature": 0}
LONG = {**CHAT, "max_tokens": 900, "ignore_eos": True}


@contextmanager
def opened(lora: Example, **headers: str) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{lora.port}/invocations-bidirectional-stream"
    with connect(url, additional_headers=headers, proxy=None, max_queue=None) as connection:
        yield connection


def answer_of(connection: ClientConnection) -> list[Any]:
    """The JSON of each message of one answer, to its end."""
    answer: list[Any] = []
    while (said := connection.recv(timeout=60)) != "[DONE]":
        answer.append(json.loads(said))
        if "error" in answer[-1]:
            break
    return answer


def text_of(answer: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in answer)


def test_each_message_is_answered_in_pieces(lora: Example) -> None:
    """Sent in fragments, as text or as bytes, one after the other; a ping meanwhile has its pong."""
    body = json.dumps(CHAT)
    with opened(lora) as connection:
        connection.send([body[:20], body[20:40], body[40:]])
        connection.send(body.encode())
        assert connection.ping(b"alive?").wait(60)
        for _ in range(2):
            answer = answer_of(connection)
            assert (text_of(answer), len(answer) > 5) == (answer_to(PING), True)
        connection.send(json.dumps({"prompt": PING, "max_tokens": 3, "temperature": 0}))
        assert {chunk["object"] for chunk in answer_of(connection)} == {"text_completion"}


def test_what_vllm_refuses_is_an_answer(lora: Example) -> None:
    """The next message fares better."""
    with opened(lora) as connection:
        connection.send(json.dumps({**CHAT, "max_tokens": -1}))
        (refused,) = answer_of(connection)
        assert refused["error"]["code"] == 400
        connection.send(json.dumps(CHAT))
        assert text_of(answer_of(connection)) == answer_to(PING)


def test_it_goes_to_the_adapter_of_its_header(lora: Example, http: httpx.Client) -> None:
    http.post("/adapters", json={"name": "pirate", "src": str(PIRATE)}).raise_for_status()
    for headers, said in (({"X-Amzn-SageMaker-Adapter-Identifier": "pirate"}, ARR), ({}, answer_to(PING))):
        with opened(lora, **headers) as connection:
            connection.send(json.dumps(CHAT))
            assert text_of(answer_of(connection)) == said
    eventually(lambda: http.delete("/adapters/pirate").status_code == 200, "the adapter to be free")


def test_a_client_that_leaves_ends_what_it_asked_for(lora: Example, http: httpx.Client) -> None:
    """By vLLM's own count of what runs."""
    with opened(lora) as connection:
        connection.send(json.dumps(LONG))
        connection.recv(timeout=60)
        assert running(http) == 1
    eventually(lambda: running(http) == 0, "the engine to be idle", 1.5)


def running(http: httpx.Client) -> float:
    lines = http.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("vllm:num_requests_running"))
