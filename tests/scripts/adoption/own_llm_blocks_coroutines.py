"""Calls a blocking engine from coroutines: directly, through functions and methods, and rightly by threads."""

import asyncio
from functools import cached_property

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from vllm import LLM

app = FastAPI()
llm = LLM(model="demo")
engines: dict = {}
engines["second"] = LLM(model="demo")
app.state.third = llm


def answer(prompt):
    return llm.generate(prompt)


def answers(prompts):
    for prompt in prompts:
        yield answer(prompt)


def get_llm() -> LLM:
    return llm


class Service:
    def __init__(self, engine):
        self.engine = engine
        self.own: LLM | None = None

    @cached_property
    def lazy(self):
        return LLM(model="demo")

    def __call__(self, prompt):
        return self.deeper(prompt)

    def deeper(self, prompt):
        return self.engine.chat(prompt)

    async def handle(self, prompt):
        self.own.encode(prompt)  # blocks
        self.lazy.embed(prompt)  # blocks
        return self.deeper(prompt)  # blocks


class Special(Service):
    pass


service = Special(llm)


@app.post("/blocks")
async def blocks(request):
    llm.generate("a")  # blocks
    answer("b")  # blocks
    service("c")  # blocks
    service.deeper("d")  # blocks
    get_llm().score("e", "f")  # blocks
    engines["second"].classify("g")  # blocks
    request.app.state.third.beam_search([])  # blocks
    for text in answers(["h"]):  # blocks
        print(text)
    given: LLM = request.state.llm
    given.generate("i")  # blocks


@app.post("/waits")
async def waits(request):
    await asyncio.to_thread(llm.generate, "a")
    await asyncio.get_running_loop().run_in_executor(None, answer, "b")
    await run_in_threadpool(lambda: answer("c"))
    await asyncio.to_thread(service, "d")
    stream = answers(["e"])
    print(stream, request.generate("f"), llm.get_tokenizer(), app.generate)
    return await service.handle("g")


def in_thread(prompt):
    return answer(prompt)
