"""The facade that every engine shares: snapshots, ids, and streams as responses."""

from __future__ import annotations

from typing import Any

import pytest
from handrail import Engine
from handrail.engine import request_id_of
from starlette.requests import Request
from starlette.responses import StreamingResponse

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
