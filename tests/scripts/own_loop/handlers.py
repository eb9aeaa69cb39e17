"""Handlers, hooks and a middleware that block, of a script without an application."""

from __future__ import annotations

import threading

from handrail import (
    Engine,
    custom_invocation_handler,
    custom_middleware,
    custom_ping_handler,
    on_shutdown,
    on_startup,
)
from starlette.requests import Request
from vllm import LLM

llm = LLM()
said = []


def thread():
    return threading.current_thread().name


@on_startup
async def begin(engine: Engine):
    answer = await engine.completions(None, {"prompt": "a b", "max_tokens": 2})
    said.append((thread(), answer.choices[0].text))
    llm.generate("quick")


@on_startup
def begin_in_a_thread():
    said.append((thread(), ""))


@on_shutdown
async def end():
    said.append((thread(), "end"))


@custom_middleware("pre_post_process")
async def around(request, call_next):
    response = await call_next(request)
    response.headers["x-around"] = thread()
    return response


@custom_middleware("throttle")
async def blocks(request, call_next):
    llm.generate("quick")
    response = await call_next(request)
    response.headers["x-blocks"] = thread()
    return response


@custom_ping_handler
async def ping():
    return True


@custom_invocation_handler
async def invocations(request: Request, engine: Engine):
    body = {"prompt": (await request.body()).decode() or "c d", "max_tokens": 2}
    whole = await engine.completions(request, body)
    streamed = await engine.completions(request, {**body, "stream": True})
    events = [event async for event in streamed.body_iterator]
    outputs = [output async for output in engine.generate(body["prompt"])]
    said = [whole.choices[0].text, len(events), outputs[-1].outputs[0].text]
    return {"said": said, "model": llm.generate("quick"), "on": thread()}
