"""Generators: how they are sent, gathered, cut, and how they fail."""

from __future__ import annotations

from tests.compat.table import serves
from tests.truss.words import case, files, leaving, predict, row, with_headers

MODEL = """
import asyncio
import time

from fastapi import HTTPException


class Model:
    def __init__(self):
        self.closed = False

    async def numbers(self):
        for i in range(5):
            yield str(i)

    def sync_numbers(self):
        yield from "01234"

    async def early(self):
        raise HTTPException(429, "slow down")
        yield

    async def late(self):
        yield "one "
        raise ValueError("late")

    async def stalls(self):
        yield "one "
        await asyncio.sleep(10)

    async def endless(self):
        try:
            for _ in range(200):
                yield "one "
                await asyncio.sleep(0.05)
        finally:
            self.closed = True

    async def predict(self, model_input):
        if model_input["case"] == "closed":
            for _ in range(100):
                if self.closed:
                    break
                await asyncio.sleep(0.05)
            return self.closed
        return getattr(self, model_input["case"])()
"""
TRUSS = files(MODEL, "runtime:\n  predict_concurrency: 8\n  streaming_read_timeout: 1\n")
ONE_SLOT = files(MODEL, "runtime:\n  predict_concurrency: 1\n  streaming_read_timeout: 1\n")
CHUNKED = {"transfer-encoding": "chunked"}
ACCEPT = {"Accept": "application/json"}
OPENAI = {**ACCEPT, "User-Agent": "AsyncOpenAI/Python 2.0"}

STEPS = """
class Model:
    async def preprocess(self, model_input):
        yield model_input["a"]
        yield model_input["b"]

    async def predict(self, values):
        return [value async for value in values]

    async def postprocess(self, values):
        for value in values:
            yield value * 2
"""
FORBIDDEN = """
from fastapi import Response


class Model:
    def predict(self, model_input):
        return Response("mine") if model_input == 1 else iter_of(model_input)

    def postprocess(self, value):
        return value


def iter_of(value):
    yield str(value)
"""

ROWS = (
    row(
        "an async generator is a stream",
        TRUSS,
        case("numbers", 200, text="01234", headers={"transfer-encoding": "chunked"}),
    ),
    row(
        "a generator is a stream",
        TRUSS,
        case("sync_numbers", 200, text="01234", headers={"transfer-encoding": "chunked"}),
    ),
    row(
        "the media type of a stream",
        TRUSS,
        case("numbers", 200, headers={"content-type": "text/plain; charset=utf-8"}),
        case("numbers", 200, headers={"content-type": "application/octet-stream"}),
        reason="By its first item: text is text, `data:` server-sent events, bytes are bytes.",
    ),
    row("gathered for `Accept: application/json`", TRUSS, with_headers(case("numbers", 200, "01234"), ACCEPT)),
    row(
        "not gathered for OpenAI's clients",
        TRUSS,
        with_headers(case("numbers", 200, text="01234", without='"', headers=CHUNKED), OPENAI),
    ),
    row(
        "HTTPException before the first item",
        TRUSS,
        case("early", 429, text="slow down"),
        case("early", 200, text=""),
        fails="The status is lost: 200, and nothing in it.",
    ),
    row(
        "an exception after the first item",
        TRUSS,
        serves(case("late", 0), says=("ValueError: late",)),
        serves(case("late", 200, text="one "), says=("ValueError: late",)),
        fails="The stream ends as if it were whole.",
    ),
    row(
        "it gives its slot back when it fails",
        ONE_SLOT,
        serves(case("late", 0), case("numbers", 200, text="01234")),
        serves(case("late", 200), case("numbers", 200, text="01234")),
        fails="The same, but for the end of the first.",
    ),
    row("cut after `streaming_read_timeout`", TRUSS, case("stalls", 0)),
    row(
        "a client that leaves ends its generator",
        TRUSS,
        serves(leaving(0.5, case("endless", 0)), case("closed", 200, True)),
        serves(leaving(0.5, case("endless", 0)), case("closed", 200, False)),
        fails="It runs on for nobody.",
    ),
    row(
        "preprocess, predict and postprocess in generators",
        files(STEPS),
        predict({"a": "x", "b": "y"}, 200, text="xxyy"),
    ),
    row("a stream and postprocess do not go together", files(FORBIDDEN), predict(0, 500)),
    row("a Response and postprocess do not go together", files(FORBIDDEN), predict(1, 500)),
)
