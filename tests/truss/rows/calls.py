"""Signatures, bodies, concurrency, and the client's presence."""

from __future__ import annotations

from tests.compat.table import post, refuses, serves
from tests.truss.words import DIES, at_once, case, files, leaving, predict, raw, row

MODEL = """
from fastapi import Request


class Model:
    {predict}
        return [{gives}]
"""


def taking(signature: str, gives: str) -> dict[str, str]:
    return files(MODEL.format(predict=f"def predict({signature}):", gives=gives))


FUTURE = "from __future__ import annotations\n"
STEPS = """
class Model:
    def preprocess(self, x):
        return x + 1

    async def predict(self, x):
        return x * 10

    def postprocess(self, x):
        return [x]
"""
COUNTS = """
import asyncio


class Model:
    def __init__(self):
        self.now = {"predict": 0, "chat": 0, "post": 0}
        self.most = dict(self.now)

    async def count(self, name, value):
        self.now[name] += 1
        self.most[name] = max(self.most[name], self.now[name])
        await asyncio.sleep(0.2)
        self.now[name] -= 1
        return value

    async def predict(self, model_input):
        return await self.count("predict", model_input)

    async def postprocess(self, value):
        return dict(self.most) if value == "most" else await self.count("post", value)

    async def chat_completions(self, model_input):
        return dict(self.most) if model_input == "most" else await self.count("chat", model_input)
"""
LEAVES = """
import asyncio
import time

from fastapi import Request


class Model:
    noticed = []

    async def preprocess(self, model_input, request: Request):
        return model_input

    async def predict(self, model_input, request: Request):
        if model_input["case"] == "noticed":
            for _ in range(60):
                if Model.noticed:
                    break
                await asyncio.sleep(0.05)
            return Model.noticed
        if model_input["case"] == "poll":
            while not await request.is_disconnected():
                await asyncio.sleep(0.05)
            Model.noticed.append("poll")
        with request.state.watch_disconnect() as left:
            while not left.is_set():
                await asyncio.sleep(0.05)
            Model.noticed.append("watch")
"""
MIXED = """
from fastapi import Request
from pydantic import BaseModel


class In(BaseModel):
    a: int


class Model:
    {predict}

    def chat_completions(self, model_input):
        return model_input
"""
SCHEMA = files(MIXED.format(predict="def predict(self, model_input: In): return model_input"))
REQUEST = files(MIXED.format(predict="async def predict(self, request: Request): return await request.json()"))
TWO = "runtime:\n  predict_concurrency: 2\n"
STATUS = "Our exit status says whose fault it is."
ECHO = taking("self, model_input", "model_input")

ROWS = (
    row("nothing", taking("self", "1"), predict({"a": 1}, 200, [1])),
    row("the body", ECHO, predict({"a": 1}, 200, [{"a": 1}])),
    row("the request", taking("self, request: Request", "request.method"), predict({}, 200, ["POST"])),
    row(
        "both",
        taking("self, model_input, request: Request", "model_input, request.method"),
        predict(5, 200, [5, "POST"]),
    ),
    row(
        "both, without annotations",
        taking("self, model_input, request", "model_input, request.method"),
        predict(5, 200, [5, "POST"]),
        refuses(DIES),
        fails="Baseten's own documentation writes it so.",
    ),
    row(
        "`from __future__ import annotations`",
        {
            **ECHO,
            "model/model.py": "from __future__ import annotations\n"
            + taking("self, x, r: Request", "x, r.method")["model/model.py"],
        },
        predict(5, 200, [5, "POST"]),
        refuses(DIES),
        fails="It takes the annotation for a string.",
    ),
    row(
        "three arguments are refused",
        taking("self, a, b, c", "1"),
        refuses(3, "cannot be given"),
        refuses(DIES),
        reason=STATUS,
    ),
    row(
        "an `async def`", files("class Model:\n    async def predict(self, x):\n        return x\n"), predict(5, 200, 5)
    ),
    row(
        "preprocess and postprocess around it",
        files(STEPS),
        predict(1, 200, [20]),
    ),
    row("a body that is not JSON", ECHO, raw(b"{", "application/json", 400)),
    row("no body", ECHO, raw(b"", "application/json", 400)),
    row("JSON of another content type", ECHO, raw(b"[1]", "text/plain", 200, [[1]])),
    row(
        "msgpack",
        ECHO,
        raw(b"\x81\xa1a\x01", "application/octet-stream", 415),
        raw(b"\x81\xa1a\x01", "application/octet-stream", 200),
        reason="It would need packages that nothing of vLLM's speaks.",
    ),
    row(
        "a body that does not fit a pydantic model",
        SCHEMA,
        predict({"a": "x"}, 422, text="body.a: Input should be a valid integer"),
        predict({"a": "x"}, 400, text="Input should be a valid integer"),
        reason="FastAPI's status for it, as for every handler here.",
    ),
    row(
        "the pydantic model of predict is predict's alone",
        SCHEMA,
        post("/v1/chat/completions", {"b": 1}, 200, {"b": 1}),
        post("/v1/chat/completions", {"b": 1}, 400),
        fails="It is imposed on every other method.",
    ),
    row(
        "a body beside a predict that takes the request",
        REQUEST,
        post("/v1/chat/completions", {"b": 1}, 200, {"b": 1}),
        post("/v1/chat/completions", {"b": 1}, 200, None),
        fails="The other methods get None.",
    ),
    row(
        "`predict_concurrency`",
        files(COUNTS, TWO),
        serves(at_once(6, predict(1, 200, 1)), predict("most", 200, {"predict": 2})),
    ),
    row(
        "one predict at a time without `predict_concurrency`",
        files(COUNTS, "model_name: one\n"),
        serves(at_once(4, predict(1, 200, 1)), predict("most", 200, {"predict": 1})),
    ),
    row(
        "postprocess is not limited",
        files(COUNTS, TWO + "model_name: post\n"),
        serves(at_once(8, predict(1, 200, 1)), predict("most", 200, {"post": 2})),
    ),
    row(
        "other methods are not limited",
        files(COUNTS, TWO + "model_name: chat\n"),
        serves(
            at_once(6, post("/v1/chat/completions", 1, 200, 1)),
            post("/v1/chat/completions", "most", 200, {"chat": 6}),
        ),
    ),
    row(
        "a client that leaves, seen by `request.is_disconnected`",
        files(LEAVES, TWO),
        serves(leaving(0.3, case("poll", 0)), case("noticed", 200, text="poll")),
    ),
    row(
        "a client that leaves, seen by `request.state.watch_disconnect`",
        files(LEAVES, TWO + "model_name: watch\n"),
        serves(leaving(0.3, case("watch", 0)), case("noticed", 200, ["watch"])),
    ),
)
