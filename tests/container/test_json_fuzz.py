"""JSON of shapes that nobody has thought of: none holds up the loop, none takes many times its bytes of memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.container.heart import Heart, Memory
from tests.container.test_server import running
from tests.servers import PATIENCE_S, SCRIPTS

pytestmark = pytest.mark.slow

#: Of one turn of the loop. A tenth of it is usual; a busy machine and coverage's trace take three times as long.
MOST_S = 0.75
#: Beside twenty times the body's bytes.
ALLOWANCE = 32 << 20
LARGEST = 400_000
ROUTES = ("chat/completions", "completions", "embeddings", "messages", "responses")
PATHS = (*(f"/v1/{route}" for route in ROUTES), "/tokenize", "/invocations")
KEYS = ("messages", "prompt", "input", "content", "tools", "stop", "logit_bias", "text", "zzz")
ATOMS = ("0", "-1.5e3", "null", "true", '""', '"a"', '"\\u00e9\\ud800"', "[]", "{}")
WHOLE: dict[str, Any] = {"max_tokens": 1, "model": "echo"}

Body = tuple[str, bytes]


@st.composite
def items(draw: st.DrawFn) -> str:
    """One value, of which there will be many."""
    item = draw(st.sampled_from(ATOMS))
    for _ in range(draw(st.integers(0, 3))):
        key = draw(st.sampled_from(("role", "type", *KEYS)))
        item = draw(
            st.sampled_from((f"[{item}]", f'{{"{key}":{item}}}', f'{{"role":"user","content":{item}}}', f"[{item},0]"))
        )
    return item


@st.composite
def bodies(draw: st.DrawFn) -> Body:
    """A path, and many values at one of the places of a body where there may be some."""
    item = draw(items())
    count = draw(st.integers(1, LARGEST)) // (len(item) + 8)
    if draw(st.booleans()):
        many = "[" + ",".join([item] * count) + "]"
    else:
        many = "{" + ",".join(f'"{number}":{item}' for number in range(count)) + "}"
    for _ in range(draw(st.integers(0, 2))):
        many = draw(st.sampled_from((f"[{many}]", f'[{{"role":"user","content":{many}}}]', f'{{"text":{many}}}')))
    head = json.dumps({**WHOLE, **draw(st.sampled_from(({}, {"messages": []}, {"prompt": "a"}, {"stream": True})))})
    text = draw(st.sampled_from((f'{head[:-1]},"{draw(st.sampled_from(KEYS))}":{many}}}', many)))
    return draw(st.sampled_from(PATHS)), (text if draw(st.integers(0, 9)) else text[:-1]).encode()


Send = Callable[[Body], object]


def fuzz(send: Send, count: int) -> None:
    """Every one of `count` bodies within its memory."""

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate])
    @given(bodies())
    def is_cheap(asked: Body) -> None:
        memory = Memory()
        send(asked)
        assert memory.grown() < 20 * len(asked[1]) + ALLOWANCE, (asked[0], asked[1][:200])

    is_cheap()


def post(http: httpx.Client, asked: Body) -> None:
    path, body = asked
    with suppress(httpx.TransportError):  # refused before all of it had been sent
        answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500 or answer.status_code == 501, answer.text[:500]


def say(url: str, asked: Body) -> None:
    """A message to the chat's WebSocket, and the first word of its answer."""
    address = f"ws{url.removeprefix('http')}/invocations-bidirectional-stream"
    with connect(address, max_size=None) as socket, suppress(ConnectionClosed):
        socket.send(asked[1])
        socket.recv(timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("script", "count"),
    [(None, 120), ("asks_the_engine.py", 30), ("pydantic_list.py", 30), ("dict_body.py", 20), ("pydantic_body.py", 20)],
)
async def test_no_body_is_dear(script: str | None, count: int, tmp_path: Path) -> None:
    """Of the engine's routes, and of handlers of the user's: that pass it on, with types, without."""
    given = {"CUSTOM_SCRIPT_FILENAME": script} if script else {}
    async with running(
        SCRIPTS if script else tmp_path, HANDRAIL_ENGINE="echo", HANDRAIL_ACCESS_LOG="off", **given
    ) as served:
        await served.answers(200)
        with httpx.Client(base_url=served.http.base_url, timeout=PATIENCE_S, trust_env=False) as http:
            async with Heart().beating() as heart:
                await asyncio.to_thread(fuzz, at_handler(http) if script else partial(post, http), count)
        assert heart.worst_s < MOST_S
        await served.answers(200)


def at_handler(http: httpx.Client) -> Send:
    return lambda asked: at_least_answered(http, asked[1])


def at_least_answered(http: httpx.Client, body: bytes) -> None:
    """A handler's own line may fail at what it has not foreseen; that costs no more than an answer does."""
    with suppress(httpx.TransportError):
        http.post("/invocations", content=body, headers={"Content-Type": "application/json"})


async def test_no_message_is_dear(tmp_path: Path) -> None:
    async with running(tmp_path, HANDRAIL_ENGINE="echo", HANDRAIL_ACCESS_LOG="off") as served:
        await served.answers(200)
        async with Heart().beating() as heart:
            await asyncio.to_thread(fuzz, partial(say, str(served.http.base_url)), 30)
        assert heart.worst_s < MOST_S
