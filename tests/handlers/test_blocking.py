"""The engine in its blocking form: threads that wait, streams, and what ends a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy
import pytest
from handrail.core.blocking import BlockingEngine, asking_for
from handrail.core.threads import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from tests.handlers.driver import WordEngine, scope


class Waits(WordEngine):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_answer, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        self.asked.set()
        try:
            await self.may_answer.wait()
        finally:
            self.ended.set()
        return await super().create(operation, body, request)


class Says(WordEngine):
    """Streams what it is given, as it is."""

    def __init__(self, *pieces: bytes | str) -> None:
        super().__init__()
        self.pieces = pieces

    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        return self._said()

    async def _said(self) -> AsyncIterator[Any]:
        for piece in self.pieces:
            yield piece


def blocking(engine: WordEngine) -> BlockingEngine:
    return BlockingEngine(engine, asyncio.get_running_loop())


async def test_bodies() -> None:
    """The main field, the others by name, a whole body, an array."""
    engine = WordEngine()
    model = blocking(engine)
    assert await run_in_threadpool(model.generate, "a", max_tokens=1) == {"text": "a"}
    await run_in_threadpool(model.generate, {"prompt": "b"}, n=2)
    await run_in_threadpool(model.chat, "hello")
    await run_in_threadpool(model.embed, numpy.array(["x", "y"]))
    asked = [
        (name, {key: value for key, value in body.items() if key != "request_id"}) for name, body, _ in engine.was_asked
    ]
    assert asked == [
        ("completions", {"prompt": "a", "max_tokens": 1}),
        ("completions", {"prompt": "b", "n": 2}),
        ("chat_completions", {"messages": [{"role": "user", "content": "hello"}]}),
        ("embeddings", {"input": ["x", "y"]}),
    ]


async def test_another_loop_of_a_thread_may_wait() -> None:
    """Only the server's own must not."""
    model = blocking(WordEngine())

    async def ask() -> Any:
        return model.generate("a")

    assert await run_in_threadpool(lambda: asyncio.run(ask())) == {"text": "a"}


async def test_a_call_is_its_requests() -> None:
    engine, request = WordEngine(), Request(scope(state={"request_id": "r"}))
    with asking_for(request):
        await run_in_threadpool(blocking(engine).generate, "a")
    assert engine.was_asked[0][2] is request


async def test_the_end_of_a_request_ends_its_call() -> None:
    engine = Waits()
    with asking_for(Request(scope())):
        calling = asyncio.create_task(run_in_threadpool(blocking(engine).generate, "a"))
        await engine.asked.wait()
    with pytest.raises(ClientDisconnect):
        await calling
    await engine.ended.wait()


async def test_after_its_end_a_request_asks_no_more() -> None:
    """A thread that works on is told so."""
    engine, goes_on = Waits(), asyncio.Event()
    model, loop = blocking(engine), asyncio.get_running_loop()

    def work() -> Any:
        asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result()
        return model.generate("a")

    with asking_for(Request(scope())):
        working = asyncio.create_task(run_in_threadpool(work))
        await asyncio.sleep(0)
    goes_on.set()
    with pytest.raises(ClientDisconnect):
        await working


async def test_chunks_of_a_stream() -> None:
    """However the events are cut."""
    engine = Says(b'data: {"a"', ': 1}\n\ndata: {"a": 2}\n\n', b"\n\n: ping\n\n", b"event: e\ndata: [DONE]\n\n")
    model = blocking(engine)
    said = await run_in_threadpool(lambda: list(model.generate("x", stream=True)))
    assert said == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("error", ['{"message": "it broke"}', '"it broke"'])
async def test_an_error_of_a_stream(error: str) -> None:
    engine = Says(b'data: {"a": 1}\n\n', f'data: {{"error": {error}}}\n\n')
    model = blocking(engine)
    with pytest.raises(RuntimeError, match="the engine ended the stream with an error: it broke"):
        await run_in_threadpool(lambda: list(model.chat("x", stream=True)))


async def test_a_stream_that_is_left() -> None:
    engine = Says(b'data: [1]\n\ndata: {"a": 2}\n\n')

    model = blocking(engine)

    def first() -> Any:
        chunks = model.chat("x", stream=True)
        found = next(chunks)
        chunks.close()
        return found

    assert await run_in_threadpool(first) == [1]


async def test_a_stream_whose_request_ends() -> None:
    engine = Waits()
    model = blocking(engine)
    with asking_for(Request(scope())):
        reading = asyncio.create_task(run_in_threadpool(lambda: list(model.generate("x", stream=True))))
        await engine.asked.wait()
    with pytest.raises(ClientDisconnect):
        await reading
