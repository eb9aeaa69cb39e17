"""The facade that every engine shares: snapshots, ids, and streams as responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException
from handrail import Engine
from handrail.core.engine import event_stream, request_id_of
from handrail.core.legacy import completion_body, text
from handrail.core.presence import watch_disconnect
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Message
from starlette.websockets import WebSocket

from tests.handlers.driver import WordEngine, scope, send


@pytest.fixture
def engine() -> WordEngine:
    return WordEngine()


async def test_an_answer_is_the_response_of_the_operation(engine: WordEngine) -> None:
    """`completions` and `chat_completions` run the operation of that name, with or without a request."""
    request = Request(scope())
    assert await engine.completions(request, {"prompt": "a"}) == {"text": "a"}
    assert await engine.chat_completions(model_input={"prompt": "b"}) == {"text": "b"}
    assert await engine.completions(request) == {"text": None}
    assert [(operation, asked) for operation, _, asked in engine.was_asked] == [
        ("completions", request),
        ("chat_completions", None),
        ("completions", request),
    ]


async def test_the_input_is_a_snapshot_of_the_call(engine: WordEngine) -> None:
    """What the caller changes after the call, nested or not, is not seen; and the caller's dict is left alone."""
    given: dict[str, Any] = {"prompt": "before", "stop": ["x"]}
    answer = engine.completions(model_input=given)
    given["prompt"] = "after"
    given["stop"].append("y")
    assert await answer == {"text": "before"}
    assert engine.was_asked[0][1]["stop"] == ["x"]
    assert "request_id" not in given


async def test_every_call_has_its_own_engine_id(engine: WordEngine) -> None:
    """Two calls of one request with one dict never share an id; each begins with the id the user knows."""
    request = Request(scope(state={"request_id": "from-the-client"}))
    given = {"prompt": "a"}
    for call in [engine.completions(request, given), engine.completions(request, given)]:
        await call
    await engine.completions(request, {**given, "request_id": "mine"})
    first, second, own = [body["request_id"] for _, body, _ in engine.was_asked]
    assert first != second
    assert first.startswith("from-the-client-")
    assert second.startswith("from-the-client-")
    assert own.startswith("mine-")


async def test_a_stream_is_a_response_of_sse_bytes(engine: WordEngine) -> None:
    """With `stream` true the answer is a StreamingResponse that a handler can return."""
    response = await engine.completions(model_input={"prompt": "one two", "stream": True})
    assert isinstance(response, StreamingResponse)
    answer = await send(response)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.chunks == [b"data: one\n\n", b"data: two\n\n"]


def test_a_request_without_an_id_gets_one() -> None:
    """No request, a request of another server, and an empty id: each time a new one."""
    ids = [
        request_id_of(None),
        request_id_of(Request(scope())),
        request_id_of(Request(scope(state={"request_id": ""}))),
    ]
    assert len({*ids}) == 3
    assert request_id_of(Request(scope(state={"request_id": "a"}))) == "a"
    bare = scope()
    del bare["state"]
    assert request_id_of(Request(bare))


def test_an_engine_says_what_it_leaves_out() -> None:
    """A half-made engine cannot be made."""

    class Half(Engine):
        def tokenize(self, text: str) -> list[int]:
            return []

    with pytest.raises(TypeError, match=r"create.*generate.*raw"):
        Half()  # type: ignore[abstract]


async def test_the_engine_of_these_tests_is_one(engine: WordEngine) -> None:
    """`raw`, `generate` and `tokenize` answer, so that user programs can use them here."""
    assert engine.raw is engine
    assert [word async for word in engine.generate("a bc")] == ["a", "bc"]
    assert engine.tokenize("a bc") == [1, 2]


async def test_an_answer_that_is_not_awaited_asks_nothing(engine: WordEngine) -> None:
    """The engine is reached when the call is awaited, not before."""
    answer = engine.completions(model_input={"prompt": "a"})
    assert engine.was_asked == []
    assert await answer == {"text": "a"}
    assert len(engine.was_asked) == 1


@pytest.mark.parametrize("operation", ["embeddings", "messages", "responses"])
async def test_the_other_operations_have_their_calls(engine: WordEngine, operation: str) -> None:
    """Each runs the operation of its name."""
    await getattr(engine, operation)(model_input={"prompt": "a"})
    assert engine.was_asked[0][0] == operation


async def test_a_web_socket_may_be_the_request(engine: WordEngine) -> None:
    """It gives the id; the engine sees no HTTP request."""
    socket = WebSocket({**scope(state={"request_id": "ws"}), "type": "websocket"}, no_message, no_message)
    await engine.predict({"prompt": "a", "stream": False, "messages": []}, socket)
    operation, body, request = engine.was_asked[0]
    assert (operation, request) == ("chat_completions", None)
    assert body["request_id"].startswith("ws-")


async def no_message(*_: Any) -> Any:
    """Nobody sends or receives here."""


class SlowEngine(WordEngine):
    """Answers when it is told to, and counts what it works on."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.answering = asyncio.Event()

    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        self.running += 1
        try:
            await self.answering.wait()
            if body.get("prompt") == "bad":
                raise HTTPException(400, "bad")
            return await super().create(operation, body, request)
        finally:
            self.running -= 1


class Client:
    """A client that stays until it leaves; anybody may wait for that."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self._messages: list[Message] = [{"type": "http.request", "body": b"{}", "more_body": False}]

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}


async def test_a_client_that_leaves_ends_every_call_on_its_request() -> None:
    """However many there are; nothing runs in the engine once they have ended."""
    engine, client = SlowEngine(), Client()
    request = Request(scope(), client.receive)
    await request.body()
    calls = [asyncio.ensure_future(engine.completions(request, {"prompt": "a"})) for _ in range(8)]
    await asyncio.sleep(0.01)
    assert engine.running == 8
    client.left.set()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(error) for error in ended} == {ClientDisconnect}
    assert engine.running == 0


async def test_a_call_that_is_cancelled_has_ended_in_the_engine_too() -> None:
    """Whoever cancels it; and a client that stays changes no answer and no error."""
    engine, client = SlowEngine(), Client()
    request = Request(scope(), client.receive)
    await request.json()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(engine.completions(request, {"prompt": "a"}), 0.01)
    assert engine.running == 0
    engine.answering.set()
    assert await engine.completions(request, {"prompt": "a"}) == {"text": "a"}
    with pytest.raises(HTTPException):
        await engine.completions(request, {"prompt": "bad"})


async def test_a_body_that_is_not_read_yet_is_left_to_its_reader() -> None:
    """Waiting for the client to leave would take it."""
    engine, client = SlowEngine(), Client()
    engine.answering.set()
    request = Request(scope(), client.receive)
    assert await engine.completions(request, {"prompt": "a"}) == {"text": "a"}
    assert await request.body() == b"{}"


async def test_a_thread_can_watch_for_the_client() -> None:
    """An event, set when it leaves; leaving the block ends the watch."""
    client, loop = Client(), asyncio.get_running_loop()
    with watch_disconnect(Request(scope(), client.receive), loop) as has_left:
        await asyncio.sleep(0.01)
        assert not has_left.is_set()
        client.left.set()
        assert await asyncio.to_thread(has_left.wait, 5)


class TestLegacy:
    """`predict` with the keys of older Truss engines."""

    def test_keys_become_those_of_completions(self) -> None:
        given = {
            "prompt": "p",
            "runtime_top_k": 3,
            "runtime_top_p": 0.5,
            "end_id": 7,
            "beam_width": 1,
            "stop_words": "a,b",
        }
        assert completion_body({**given, "bad_words": ["c"], "stream": False}, is_streamed=True) == {
            **{"stream": False, "prompt": "p", "top_k": 3, "top_p": 0.5},
            **{"stop_token_ids": [7], "stop": ["a", "b"], "bad_words": ["c"]},
        }

    async def test_an_error_in_the_stream_is_raised(self) -> None:
        async def events() -> AsyncIterator[bytes]:
            yield b'data: {"error": {"code": 400, "message": "too long"}}\n\n'

        async def answer() -> Any:
            return event_stream(events())

        with pytest.raises(HTTPException, match="too long"):
            async for _ in await text(answer()):
                pass

    async def test_other_events_have_no_text(self) -> None:
        async def events() -> AsyncIterator[bytes]:
            yield b'data: {"choices": [{"text": "a"}]}\n\n'
            yield b'data: {"usage": {}}\n\n'
            yield b"data: [DONE]\n\n"
            yield b'data: {"choices": [{"text": "after the end"}]}\n\n'

        async def answer() -> Any:
            return event_stream(events())

        assert [piece async for piece in await text(answer())] == ["a"]

    async def test_a_prompt_is_answered_with_text(self) -> None:
        class Answering(WordEngine):
            async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
                return SimpleNamespace(choices=[SimpleNamespace(text=f"{operation} {body['prompt']}")])

        engine = Answering()
        engine.answers_with_text = True
        assert await engine.predict({"prompt": "a", "stream": False}) == "completions a"

    async def test_a_stream_may_end_without_a_last_word(self) -> None:
        async def events() -> AsyncIterator[bytes]:
            yield b'data: {"choices": [{"text": "a"}]}\n\n'

        async def answer() -> Any:
            return event_stream(events())

        assert [piece async for piece in await text(answer())] == ["a"]


class Watching:
    """Notes when calls begin, how they end, and whether one is under way."""

    def __init__(self) -> None:
        self.noted: list[Any] = []

    def call(self, operation: str, request_id: str) -> Watching:
        self.noted.append(operation)
        return self

    def headers(self) -> list[tuple[bytes, bytes]]:
        return []

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *raised: Any) -> None:
        self.noted.append(raised[0])

    def end(self, error: Exception | None = None) -> None:
        self.noted.append(type(error))


class Failing(WordEngine):
    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        async def events() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            raise LookupError("midway")

        if operation == "completions":
            raise LookupError("at once")
        return events()


async def test_whoever_watches_is_told_of_each_call_and_its_end(engine: WordEngine) -> None:
    """An answer ends it; a stream's last event, or its failure; what is raised at once ends it within its context."""
    engine.watch = watching = Watching()
    await engine.chat_completions(model_input={"messages": []})
    assert watching.noted == ["chat_completions", None, type(None)]

    failing = Failing()
    failing.watch = watching = Watching()
    with pytest.raises(LookupError):
        await failing.completions(model_input={})
    assert watching.noted == ["completions", LookupError]
    watching.noted.clear()
    stream = await failing.chat_completions(model_input={})
    assert watching.noted == ["chat_completions", None]
    with pytest.raises(LookupError):
        _ = [event async for event in stream.body_iterator]
    assert watching.noted[2:] == [LookupError]
