"""What bodies of real vLLM's routes cost everybody else: processor time for which the loop does not turn, and memory.

The engine is in another process; what is measured is the server's, which is this one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import pytest_asyncio
from conftest import FLAGS, MODEL

from tests.container.heart import Heart, Memory
from tests.container.test_server import Running, running
from tests.servers import PATIENCE_S

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore"),  # torch's and transformers' own, while they are imported
]

#: Of one turn of the loop: 0.25 s, and what a busy machine makes of it.
MOST_S = 0.75
#: Beside twenty times the body's bytes: what the tokenizer takes for half a million characters.
ALLOWANCE = 128 << 20
#: As many as HANDRAIL_MAX_JSON_OBJECTS lets through.
OBJECTS = 19_900
MESSAGE = '{"role":"user","content":"a"}'
TEXT = "hello big wide world "
LONG = {"role": "user", "content": TEXT * 50_000}


def many(whole: str, item: str, count: int) -> bytes:
    return (whole % ",".join([item] * count)).encode()


CHAT = '{"max_tokens":2,"messages":[%s]}'
CLAUDE = f'{{"model":"{MODEL}","max_tokens":2,"messages":[%s]}}'
INPUT = '{"max_output_tokens":2,"input":[%s]}'
PARTS = '{"role":"user","content":[%s]}'
PART = '{"type":"text","text":"a"}'
TYPED = '{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]}'
PROMPT = '{"max_tokens":1,"prompt":[%s]}'

ROWS: dict[str, tuple[str, bytes]] = {
    "responses of numbers": ("/v1/responses", many(INPUT, "0", 125_000)),
    "responses of empty objects": ("/v1/responses", many(INPUT, "{}", OBJECTS)),
    "responses, 10,000 valid items": ("/v1/responses", many(INPUT, MESSAGE, 10_000)),
    "responses, all valid items": ("/v1/responses", many(INPUT, MESSAGE, OBJECTS)),
    "responses, all valid items but the last": ("/v1/responses", many(INPUT, MESSAGE, OBJECTS)[:-2] + b",0]}"),
    "responses, typed items": ("/v1/responses", many(INPUT, TYPED, OBJECTS // 3)),
    "messages": ("/v1/messages", many(CLAUDE, MESSAGE, OBJECTS)),
    "messages of parts": ("/v1/messages", many(CLAUDE % PARTS, PART, OBJECTS)),
    "messages of empty objects": ("/v1/messages", many(CLAUDE, "{}", OBJECTS)),
    "chat of empty objects": ("/v1/chat/completions", many(CHAT, "{}", OBJECTS)),
    "chat of numbers": ("/v1/chat/completions", many(CHAT, "0", 125_000)),
    "chat of valid messages": ("/v1/chat/completions", many(CHAT, MESSAGE, OBJECTS)),
    "chat of parts": ("/v1/chat/completions", many(CHAT % PARTS, PART, OBJECTS)),
    "chat and what nobody knows": ("/v1/chat/completions", many(CHAT[:-1] % MESSAGE + ',"zzz":[%s]}', "[]", OBJECTS)),
    "prompt of numbers": ("/v1/completions", many(PROMPT, "1", 900_000)),
    "prompts of numbers": ("/v1/completions", many(PROMPT, "[1]", OBJECTS)),
    "prompts of texts": ("/v1/completions", many(PROMPT, '"a"', 900_000)),
    "a chat to count": ("/tokenize", many('{"messages":[%s]}', MESSAGE, OBJECTS)),
    "a text of 24 MB to count": ("/tokenize", json.dumps({"prompt": TEXT * 1_143_000}).encode()),
    "a text of 24 MB": ("/v1/completions", json.dumps({"prompt": TEXT * 1_143_000}).encode()),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Where a handler passes on what it gets, at /invocations."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.py").write_text(
        "async def custom_sagemaker_invocation_handler(request):\n"
        "    return await request.app.state.engine.responses(model_input=await request.json())\n"
    )
    flags = {"SM_VLLM_MODEL": str(MODEL), **FLAGS}
    given: dict[str, Any] = {"HANDRAIL_ENGINE": "vllm", "HANDRAIL_ACCESS_LOG": "off", "SM_VLLM_<FLAG>": flags}
    async with running(folder, **given) as served:
        async with asyncio.timeout(4 * PATIENCE_S):
            await served.answers(200)
        yield served


async def post(server: Running, path: str, body: bytes) -> httpx.Response | None:
    with suppress(httpx.TransportError):  # refused before all of it had been sent
        return await server.http.post(path, content=body, headers={"Content-Type": "application/json"})
    return None


@pytest.mark.parametrize("row", ROWS)
async def test_nobody_waits_for_a_large_body(server: Running, row: str) -> None:
    path, body = ROWS[row]
    memory = Memory()
    async with Heart().beating() as heart:
        answer = await post(server, path, body)
    assert answer is None or answer.status_code < 500, answer.text
    assert memory.grown() < 20 * len(body) + ALLOWANCE
    assert heart.worst_s < MOST_S


async def test_nobody_waits_for_a_handler_that_passes_it_on(server: Running) -> None:
    async with Heart().beating() as heart:
        answer = await post(server, "/invocations", many(INPUT, MESSAGE, OBJECTS))
    assert answer is not None
    assert answer.status_code == 400
    assert heart.worst_s < MOST_S


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"prompt": TEXT * 50_000}),
        ("/tokenize", {"messages": [LONG]}),
        ("/v1/completions", {"prompt": TEXT * 50_000, "truncate_prompt_tokens": 9, "max_tokens": 1}),
        ("/v1/completions", {"prompt": ["a", TEXT * 50_000], "truncate_prompt_tokens": 9, "max_tokens": 1}),
        ("/v1/chat/completions", {"messages": [LONG]}),
        ("/v1/responses", {"input": TEXT * 50_000}),
        ("/v1/messages", {"model": str(MODEL), "max_tokens": 1, "messages": [LONG]}),
    ],
)
async def test_a_text_that_is_too_long_is_not_tokenized(server: Running, path: str, body: dict[str, Any]) -> None:
    answer = await server.http.post(path, json=body)
    assert answer.status_code == 400
    assert "HANDRAIL_MAX_TEXT_CHARS allows 1,000,000" in answer.json()["error"]["message"]


async def test_a_text_that_is_let_through_is_counted(server: Running) -> None:
    answer = await server.http.post("/tokenize", json={"prompt": TEXT * 40_000})
    assert answer.status_code == 200
    assert answer.json()["count"] > 40_000


SAID = [{"role": "user", "content": "a"}]
BATCH = "/v1/chat/completions/batch"
#: What is repeated for each prompt, as much as is let through, and more.
REPEATED: dict[str, tuple[str, dict[str, Any], int]] = {
    "conversations": (BATCH, {"messages": [SAID] * 2_300}, 200),
    "more conversations": (BATCH, {"messages": [SAID] * 5_000}, 400),
    "conversations with an expression": (
        BATCH,
        {"messages": [SAID] * 60, "structured_outputs": {"regex": r"\w" * 16_000}},
        400,
    ),
    "conversations and words": (BATCH, {"messages": [SAID] * 300, "bad_words": [f"w{k}" for k in range(1_900)]}, 400),
    "items": ("/generative_scoring", {"query": "a", "items": ["b"] * 2_300, "label_token_ids": [1]}, 200),
    "more items": ("/generative_scoring", {"query": "a", "items": ["b"] * 9_000, "label_token_ids": [1]}, 400),
    "beams": ("/v1/completions", {"prompt": ["a"] * 1_000, "use_beam_search": True, "n": 1}, 400),
    "tokens": ("/v1/completions", {"prompt": ["a"] * 1_000, "allowed_token_ids": [5] * 300_000}, 400),
    "parameters": (
        "/v1/completions",
        {"prompt": ["a"] * 1_000, "vllm_xargs": {f"k{k}": "v" for k in range(9_990)}},
        400,
    ),
    "a few parameters": (
        "/v1/completions",
        {"prompt": ["a"] * 1_000, "logit_bias": {str(k): 1 for k in range(100)}},
        200,
    ),
    "a slow expression": ("/v1/completions", {"prompt": "a", "structured_outputs": {"regex": r"\w" * 20_000}}, 200),
    "a deep one": ("/v1/completions", {"prompt": "a", "structured_outputs": {"regex": "[" * 40_000}}, 400),
    "a schema in a grammar": (
        "/v1/completions",
        {"prompt": "a", "structured_outputs": {"grammar": "start: %json " + '{"a":' * 3_000 + "1" + "}" * 3_000}},
        400,
    ),
    "what has to hold at once": (
        "/v1/completions",
        {
            "prompt": "a",
            "structured_outputs": {"json": {"allOf": [{"pattern": f".*{sign}.*"} for sign in "abcdefghijklmnop"]}},
        },
        400,
    ),
    "half a character": ("/v1/completions", {"prompt": "a", "bad_words": ["\ud800"]}, 400),
    "a large number": ("/v1/completions", {"prompt": "a", "top_k": 2**64}, 400),
}


@pytest.mark.parametrize("name", REPEATED)
async def test_nobody_waits_for_what_a_request_repeats(server: Running, name: str) -> None:
    path, body, status = REPEATED[name]
    memory = Memory()
    async with Heart().beating() as heart:
        answer = await post(server, path, json.dumps({"max_tokens": 1, **body}).encode())
    assert answer is not None
    assert answer.status_code == status, answer.text[:300]
    assert memory.grown() < 20 * len(json.dumps(body)) + ALLOWANCE
    assert heart.worst_s < MOST_S


GRAMMARS: dict[str, dict[str, Any]] = {
    "many values": {"json": {"enum": [f"value {number:09d}" for number in range(2200)]}},
    "many properties": {"json": {"properties": {f"k{number}": {"type": "string"} for number in range(315)}}},
    "many choices": {"choice": [f"{number}" for number in range(5500)]},
    "many alternatives": {"regex": "|".join(f"a{number}b" for number in range(6000))},
    "repetitions": {"json": {"type": "array", "items": {"type": "integer"}, "minItems": 5000}},
    "repetitions of repetitions": {"regex": "((a{36}){36}){36}"},
    "rules that repeat": {"grammar": 'root ::= (("a" | "b"){1,60} "c"){1,60}'},
}


@pytest.mark.parametrize("name", GRAMMARS)
async def test_no_grammar_that_is_let_through_keeps_others_waiting(server: Running, name: str) -> None:
    """It takes a second, on an idle machine; before there was a bound, one took the compiler for minutes."""
    heavy = asyncio.create_task(ask(server, GRAMMARS[name]))
    await asyncio.sleep(0)
    began = time.monotonic()
    light = {"json": {"type": "object", "properties": {name: {"type": "integer"}}}}
    assert (await ask(server, light)).status_code == 200
    assert (await heavy).status_code == 200
    assert time.monotonic() - began < PATIENCE_S


@pytest.mark.parametrize(
    "outputs",
    [
        {"json": {"enum": [f"value {number}" for number in range(200_000)]}},
        {"choice": [f"{number}" for number in range(100_000)]},
        {"json": {"type": "array", "items": {"type": "integer"}, "minItems": 100_000}},
        {"regex": "|".join(f"a{number}" for number in range(20_000))},
    ],
    ids=["enum", "choice", "minItems", "regex"],
)
async def test_a_grammar_that_takes_minutes_is_refused(server: Running, outputs: dict[str, Any]) -> None:
    answer = await ask(server, outputs)
    assert answer.status_code == 400
    assert "HANDRAIL_MAX_GRAMMAR_SIZE" in answer.json()["error"]["message"]


async def ask(server: Running, outputs: dict[str, Any]) -> httpx.Response:
    body = {"prompt": "a", "max_tokens": 2, "structured_outputs": outputs}
    return await server.http.post("/v1/completions", json=body)


async def test_many_answers_leave_room_for_others(server: Running) -> None:
    """As many as HANDRAIL_MAX_N allows: one that comes later is answered all the same; one more is refused."""
    body = {"prompt": "a", "max_tokens": 8, "ignore_eos": True}
    greedy = asyncio.create_task(server.http.post("/v1/completions", json={**body, "n": 1024}))
    assert (await server.http.post("/v1/completions", json=body)).status_code == 200
    assert len((await greedy).json()["choices"]) == 1024
    assert (await server.http.post("/v1/completions", json={**body, "n": 1025})).status_code == 400
