"""What a handler may return, and what the client gets: compared with a real FastAPI application where it can be."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import decimal
import enum
import json
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from anyio import to_thread
from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from handrail.core.answers import HandlerStream, _json_encoder, in_threads, is_stream, send_json, to_response
from handrail.core.calling import adapt
from handrail.core.encoding import is_plain
from handrail.core.parts import has_more_parts
from handrail.core.presence import ClientLeft
from handrail.core.slots import Slot
from handrail.core.threads import run_in_threadpool
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from tests.handlers.driver import Answer, scope, send


class Colour(enum.Enum):
    RED = "red"


class Model(BaseModel):
    name: str = Field(alias="Name")
    when: datetime.date = datetime.date(2024, 1, 2)


@dataclasses.dataclass
class Point:
    x: int
    colour: Colour = Colour.RED


VALUES: list[Any] = [
    {"a": [1, 2.5, None, True, "é"]},
    [],
    "a string",
    "",
    None,
    7,
    2.5,
    True,
    False,
    (1, 2),
    {3},
    Model(Name="é"),
    [Model(Name="b")],
    Point(1),
    {"at": datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)},
    {"id": uuid.UUID(int=1), "amount": decimal.Decimal("1.10"), "path": PurePosixPath("/a")},
    {Colour.RED: Colour.RED},
    b"bytes",
    frozenset(),
]


@pytest.mark.parametrize("digits", ["1e4299", "1e300000", "1e999999999", "-1e400000"])
async def test_a_decimal_is_never_longer_than_a_number_may_be(digits: str) -> None:
    """To write it out takes time that grows with the square of its digits: hours, for ten bytes of a client's."""
    value = decimal.Decimal(digits)
    if value.adjusted() < 4300:
        assert (await answer_to({"it": value})).body == b'{"it":1' + b"0" * 4299 + b"}"
        return
    with pytest.raises(ValueError, match=r"a Decimal of [0-9,]+ digits, and a number in JSON has at most 4,300"):
        await answer_to({"it": value})


@dataclasses.dataclass
class Small:
    x: int


class Parent:
    """Its child refers to it."""

    def __init__(self) -> None:
        self.child = self


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (1, 0),
        ("text", 0),
        (b"bytes", 0),
        ([1, "a", []], 3),
        ({"a": (1, 2)}, 3),
        ([{1, 2}, frozenset({3})], 5),
        (Model(Name="b"), 2),
        ([Small(1)], 2),
        (range(9), 0),
    ],
)
def test_the_parts_of_a_value_are_counted(value: Any, parts: int) -> None:
    assert not has_more_parts(value, parts)
    assert has_more_parts([value], parts)


def test_a_value_in_itself_has_more_parts_than_any_number() -> None:
    assert has_more_parts(Parent(), 1000)


async def answer_to(value: Any, slot: Slot = Slot.INVOCATION, **sent: Any) -> Answer:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await to_response(value, slot)
        await response(scope, receive, send)

    return await send(app, **sent)


async def answer_of_fastapi(value: Any) -> Answer:
    app = FastAPI()
    app.post("/invocations")(_returning(value))
    return await send(app)


def _returning(value: Any) -> Callable[..., Any]:
    async def endpoint():  # noqa: ANN202  an annotation would be FastAPI's response model
        return value

    return endpoint


async def same_as_fastapi(value: Any) -> bool:
    ours, theirs = await answer_to(value), await answer_of_fastapi(value)
    return (ours.status, ours.headers["content-type"], ours.body) == (
        theirs.status,
        theirs.headers["content-type"],
        theirs.body,
    )


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_plain_data_is_json_as_fastapi_encodes_it(value: Any) -> None:
    """Byte for byte what a FastAPI route would answer for the same value."""
    assert await same_as_fastapi(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values.filter(lambda value: _encodes(value)))
def test_any_json_value_comes_back_as_it_was(value: Any) -> None:
    """What a handler returns is what the client decodes, and what FastAPI would have sent."""

    async def holds() -> bool:
        return (await answer_to(value)).json() == value and await same_as_fastapi(value)

    assert asyncio.run(holds())


def _encodes(value: Any) -> bool:
    """Half of a surrogate pair has no UTF-8, in FastAPI neither."""
    return "\\ud" not in json.dumps(value)


class Name(str):
    __slots__ = ()


PLAIN: list[Any] = [{"a": [1, 2.5, None, True, "é"], "b": {}}, [], "", None, 7, [[], [{}]]]
NOT_PLAIN: list[Any] = [
    Name("n"),
    {Name("n"): 1},
    {1: 2},
    {"_sa": 1},
    [{"a": {"_same": 1}}],
    (1,),
    [Colour.RED],
    Point(1),
]


@pytest.mark.parametrize("value", [*PLAIN, *NOT_PLAIN], ids=repr)
async def test_what_is_json_already_is_not_encoded_again(value: Any) -> None:
    """Where it is, the messages are those of a JSONResponse of what FastAPI's encoder gives."""
    assert is_plain(value) is any(value is each for each in PLAIN)
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    response = JSONResponse(jsonable_encoder(value))
    await response({"type": "http"}, unused, keep)
    if is_plain(value):
        sent_by_us: list[Message] = []

        async def keep_ours(message: Message) -> None:
            sent_by_us.append(message)

        await send_json(value, keep_ours)
        assert sent_by_us == sent
    assert await same_as_fastapi(value)


def test_an_encoder_that_python_makes_otherwise_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.encoder.c_make_encoder", None)
    assert _json_encoder()({"text": ["é", 1.5, None]}) == '{"text":["é",1.5,null]}'


async def unused() -> Message:
    raise AssertionError


@pytest.mark.parametrize(
    "value", [float("nan"), object(), range(3), {"a": b"\xff"}], ids=["nan", "object", "range", "bytes"]
)
async def test_what_fastapi_cannot_encode_is_the_handlers_failure(value: Any) -> None:
    """It is raised before the status line, so that it becomes a 500 and not half an answer."""
    with pytest.raises((ValueError, TypeError)):
        await to_response(value, Slot.INVOCATION)


async def test_a_response_is_sent_untouched() -> None:
    """Any Starlette response is itself, in both slots."""
    response = PlainTextResponse("teapot", 418, {"X-Custom": "yes"})
    for slot in Slot:
        assert await to_response(response, slot) is response


@pytest.mark.parametrize(("value", "status"), [(True, 200), (None, 200), (False, 503)])
async def test_a_ping_may_answer_yes_or_no(value: bool | None, status: int) -> None:
    """True and None are healthy, False is not; the body is empty."""
    answer = await answer_to(value, Slot.PING)
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("value", [0, "", {}, [], {"status": "healthy"}])
async def test_a_ping_of_anything_else_is_data(value: Any) -> None:
    """Only a real False says unhealthy: a falsy value is JSON with status 200."""
    answer = await answer_to(value, Slot.PING)
    assert (answer.status, answer.json()) == (200, value)


def asynchronous(*items: Any) -> AsyncIterator[Any]:
    async def generate() -> AsyncIterator[Any]:
        for item in items:
            if isinstance(item, BaseException):
                raise item
            yield item

    return generate()


def synchronous(*items: Any) -> Iterator[Any]:
    for item in items:
        if isinstance(item, BaseException):
            raise item
        yield item


Streaming = Callable[..., Any]
both = pytest.mark.parametrize("stream", [asynchronous, synchronous])


@both
@pytest.mark.parametrize(
    ("items", "media_type"),
    [
        (["", "", "data: a\n\n"], "text/event-stream; charset=utf-8"),
        ([b"", "", b"x"], "application/octet-stream"),
        (["", {"a": 1}], "text/event-stream; charset=utf-8"),
        (["", "text"], "text/plain; charset=utf-8"),
        (["", ""], "text/plain; charset=utf-8"),
    ],
)
async def test_empty_items_tell_nothing_of_the_stream(stream: Streaming, items: list[Any], media_type: str) -> None:
    """The first that is not empty does."""
    answer = await answer_to(stream(*items))
    assert (answer.status, answer.headers["content-type"]) == (200, media_type)
    assert b"" not in answer.chunks


@pytest.mark.parametrize("value", [{"said": "\ud800é"}, ["\udfff"], {"\ud800": 1}, ("\ud83d", "\ude00")])
async def test_half_a_character_comes_back_as_json_escapes_it(value: Any) -> None:
    """A client may send one, and no line of the handler's did anything wrong."""
    expected = list(value) if isinstance(value, tuple) else value
    assert json.loads((await answer_to(value)).body) == expected
    for function in (_plain(value), _typed(value)):
        assert (await send(adapt(function, Slot.INVOCATION).app)).json() == expected


def _plain(value: Any) -> Callable[..., Any]:
    async def answer(request):  # noqa: ANN001, ANN202  it need not be annotated
        return value

    return answer


def _typed(value: Any) -> Callable[..., Any]:
    async def answer(x: int = 1) -> Any:
        return value

    return answer


@both
@pytest.mark.parametrize(
    ("items", "media_type", "chunks"),
    [
        (["a", "é"], "text/plain; charset=utf-8", [b"a", "é".encode()]),
        (["data: a\n\n", "data: b\n\n"], "text/event-stream; charset=utf-8", [b"data: a\n\n", b"data: b\n\n"]),
        (["event: e\ndata: a\n\n"], "text/event-stream; charset=utf-8", [b"event: e\ndata: a\n\n"]),
        ([": ping\n\n", "data: a\n\n"], "text/event-stream; charset=utf-8", [b": ping\n\n", b"data: a\n\n"]),
        ([":\n\n"], "text/event-stream; charset=utf-8", [b":\n\n"]),
        (["id: 7\ndata: a\n\n"], "text/event-stream; charset=utf-8", [b"id: 7\ndata: a\n\n"]),
        (["retry: 50\n\n"], "text/event-stream; charset=utf-8", [b"retry: 50\n\n"]),
        ([":) hello"], "text/plain; charset=utf-8", [b":) hello"]),
        (["identity", "\ud800"], "text/plain; charset=utf-8", [b"identity", "\ufffd".encode()]),
        ([{"a": "\ud800"}], "text/event-stream; charset=utf-8", [b'data: {"a":"\\ud800"}\n\n']),
        (["database"], "text/plain; charset=utf-8", [b"database"]),
        ([b"a", bytearray(b"b"), memoryview(b"c")], "application/octet-stream", [b"a", b"b", b"c"]),
        ([bytearray(b"a")], "application/octet-stream", [b"a"]),
        ([memoryview(b"a")], "application/octet-stream", [b"a"]),
        (["a", b"b", bytearray(b"c"), 4], "text/plain; charset=utf-8", [b"a", b"b", b"c", b"4"]),
        ([b"a", "é", 3], "application/octet-stream", [b"a", "é".encode(), b"3"]),
        ([{"a": 1}, [2]], "text/event-stream; charset=utf-8", [b'data: {"a":1}\n\n', b"data: [2]\n\n"]),
        ([None, "a\nb"], "text/event-stream; charset=utf-8", [b"data: null\n\n", b'data: "a\\nb"\n\n']),
        ([Point(1)], "text/event-stream; charset=utf-8", [b'data: {"x":1,"colour":"red"}\n\n']),
        ([7], "text/event-stream; charset=utf-8", [b"data: 7\n\n"]),
    ],
)
async def test_the_first_item_frames_the_stream(
    stream: Streaming, items: list[Any], media_type: str, chunks: list[bytes]
) -> None:
    """Text, bytes or events, one chunk for each item; only our own events end in [DONE]."""
    answer = await answer_to(stream(*items))
    is_ours = not isinstance(items[0], str | bytes | bytearray | memoryview)
    assert answer.status == 200
    assert answer.headers["content-type"] == media_type
    assert answer.chunks == chunks + ([b"data: [DONE]\n\n"] if is_ours else [])
    assert answer.is_complete


@both
async def test_a_stream_of_nothing_is_an_empty_answer(stream: Streaming) -> None:
    """A generator without items is 200 and no body."""
    answer = await answer_to(stream())
    assert (answer.status, answer.body, answer.is_complete) == (200, b"", True)


@both
@pytest.mark.parametrize("slot", Slot)
async def test_a_stream_is_a_stream_in_both_slots(stream: Streaming, slot: Slot) -> None:
    """A ping may stream too; what is no generator is not a stream."""
    assert is_stream(stream("a"))
    assert (await answer_to(stream("a"), slot)).text == "a"
    assert not is_stream(["a"])
    assert not is_stream(iter("a"))


@both
async def test_an_exception_before_the_first_item_keeps_its_status(stream: Streaming) -> None:
    """It is raised before the status line is sent."""
    with pytest.raises(LookupError, match="early"):
        await to_response(stream(LookupError("early"), "never"), Slot.INVOCATION)


@both
@pytest.mark.parametrize("item", [object(), {"score": float("nan")}], ids=["no-json", "nan"])
async def test_a_first_item_that_is_no_json_keeps_its_status(stream: Streaming, item: Any) -> None:
    """Events are JSON, which has no NaN; and the generator is closed at once."""
    generator = stream(item, "never")
    with pytest.raises((ValueError, TypeError)):
        await to_response(generator, Slot.INVOCATION)
    assert _is_closed(generator)


def _is_closed(generator: Any) -> bool:
    return getattr(generator, "gi_frame", None) is None and getattr(generator, "ag_frame", None) is None


@both
async def test_an_exception_in_mid_stream_cuts_it(stream: Streaming) -> None:
    """What was sent stays sent, the final chunk never comes, and the exception reaches the server."""
    answer = Answer()
    response = await to_response(stream("a", LookupError("late")), Slot.INVOCATION)
    with pytest.raises(LookupError, match="late"):
        await response(scope(asgi={"spec_version": "2.4"}), _forever, answer.receive)
    assert (answer.chunks, answer.is_complete) == ([b"a"], False)


async def _forever() -> Message:
    return await asyncio.Future()


async def test_a_plain_generator_never_runs_on_the_loop() -> None:
    """Each of its steps, and its end, are in a thread."""
    loops: list[bool] = []

    def generate() -> Iterator[str]:
        try:
            for _ in range(2):
                loops.append(threading.current_thread() is threading.main_thread())
                yield "a"
        finally:
            loops.append(threading.current_thread() is threading.main_thread())

    await answer_to(generate())
    assert loops == [False, False, False]


class Ended:
    """Endless generators that note how they ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def asynchronous(self) -> AsyncIterator[str]:
        try:
            while True:
                yield "a"
                await asyncio.sleep(0)
        finally:
            self.ended.append("closed")

    def synchronous(self) -> Iterator[str]:
        try:
            while True:
                yield "a"
        finally:
            self.ended.append("closed")


@pytest.mark.parametrize("kind", ["asynchronous", "synchronous"])
@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_a_client_that_leaves_closes_the_generator(kind: str, spec_version: str) -> None:
    """Whether the server says so by a message or by refusing to send, before the call has returned."""
    notes = Ended()
    generator = getattr(notes, kind)()
    asgi = {"version": "3.0", "spec_version": spec_version}
    if spec_version == "2.3":
        await answer_to(generator, leave_after=3, asgi=asgi)
    else:
        response = await to_response(generator, Slot.INVOCATION)
        with pytest.raises(Exception):  # noqa: B017, PT011  Starlette's own word for it
            await response(scope(asgi=asgi), _forever, _refuse_after(3))
    assert notes.ended == ["closed"]


@pytest.mark.parametrize("kind", ["asynchronous", "synchronous"])
async def test_a_client_that_left_before_the_first_byte_closes_it_too(kind: str) -> None:
    """The generator has begun by then: its first item was awaited."""
    notes = Ended()
    response = await to_response(getattr(notes, kind)(), Slot.INVOCATION)
    with pytest.raises(Exception):  # noqa: B017, PT011  Starlette's own word for it
        await response(scope(asgi={"spec_version": "2.4"}), _forever, _refuse_after(0))
    assert notes.ended == ["closed"]


def _refuse_after(count: int) -> Callable[[Message], Any]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) > count:
            raise OSError("the client left")

    return send


async def test_a_cancelled_request_closes_a_plain_generator() -> None:
    """A timeout cancels the whole call; the generator's `finally` has run when it returns."""
    notes = Ended()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(answer_to(notes.synchronous()), 0.05)
    assert notes.ended == ["closed"]


class Busy:
    """A plain generator in the middle of a step, and what becomes of it."""

    def __init__(self, ends: Exception | None = None) -> None:
        self.begun, self.go, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.closed = 0
        self._ends = ends

    def generator(self) -> Iterator[str]:
        try:
            yield "first"
            self.begun.set()
            assert self.go.wait(60)
            yield "second"
        finally:
            self.closed += 1
            self.ended.set()
            if self._ends:
                raise self._ends

    async def left(self) -> None:
        """Its client is gone, and nobody waits for it."""
        answering = asyncio.create_task(answer_to(self.generator()))
        assert await asyncio.to_thread(self.begun.wait, 60)
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
        assert not self.ended.is_set()


async def test_a_plain_generator_that_is_busy_is_closed_when_it_is_done() -> None:
    """Its thread cannot be stopped, and a generator that runs cannot be closed; who leaves does not wait for that."""
    busy = Busy()
    await busy.left()
    busy.go.set()
    assert await asyncio.to_thread(busy.ended.wait, 60)
    await asyncio.sleep(0.05)
    assert busy.closed == 1


async def test_plain_generators_that_were_left_hold_no_place_of_others() -> None:
    """As many of them as calls may run at once."""
    to_thread.current_default_thread_limiter().total_tokens = 2
    left = [Busy(), Busy()]
    for busy in left:
        await busy.left()
    assert await asyncio.wait_for(run_in_threadpool(int), 30) == 0
    for busy in left:
        busy.go.set()
        assert await asyncio.to_thread(busy.ended.wait, 60)


async def test_what_a_generator_that_was_left_raises_at_its_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody awaits it."""
    busy = Busy(LookupError("at its end"))
    await busy.left()
    busy.go.set()
    while "at its end" not in caplog.text:
        await asyncio.sleep(0.01)
    assert "a generator whose client had left failed when it was closed" in caplog.text


async def test_what_a_generator_raises_when_it_is_closed_is_raised() -> None:
    """Where it was closed at once."""

    def generate() -> Iterator[str]:
        try:
            yield "a"
        finally:
            raise LookupError("at its end")

    items = in_threads(generate())
    assert await anext(items) == "a"
    with pytest.raises(LookupError, match="at its end"):
        await items.aclose()


async def test_our_stream_is_a_streaming_response() -> None:
    """User middleware and the server see a Starlette response with no length."""
    response = await to_response(asynchronous("a"), Slot.INVOCATION)
    assert isinstance(response, HandlerStream)
    assert "content-length" not in response.headers
    assert isinstance(await to_response({}, Slot.INVOCATION), JSONResponse)
    assert type(await to_response(True, Slot.PING)) is Response


async def test_arrays_are_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's, where a handler has imported it; without it nothing changes."""

    class Array:
        def tolist(self) -> list[int]:
            return [1, 2]

    monkeypatch.setitem(sys.modules, "numpy", SimpleNamespace(ndarray=Array, generic=Array))  # type: ignore[arg-type]
    assert (await send(await to_response({"a": Array()}, Slot.INVOCATION))).json() == {"a": [1, 2]}
    monkeypatch.delitem(sys.modules, "numpy")
    assert (await send(await to_response([1], Slot.INVOCATION))).json() == [1]


async def test_a_stream_that_ends_without_its_client_has_still_lost_it() -> None:
    """The generator goes on to its own end, and nobody takes the answer for sent."""
    ended: list[str] = []

    async def three() -> AsyncIterator[str]:
        for item in ("a", "b", "c"):
            yield item
        ended.append("of itself")

    async def send(message: Message) -> None:
        if message.get("body") == b"b":
            raise ClientLeft

    response = await to_response(three(), Slot.INVOCATION)
    with pytest.raises(Exception):  # noqa: B017, PT011  Starlette's own word for it
        await response(scope(asgi={"version": "3.0", "spec_version": "2.4"}), _forever, send)
    assert ended == ["of itself"]
