"""The stream slot: what may answer it, and how it is called."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from handrail import Engine
from handrail.core.errors import SignatureRefused
from handrail.core.ladder import Rung
from handrail.core.slots import Slot
from handrail.core.streaming import ACCEPTED, Stream, adapt_stream
from starlette.requests import Request
from starlette.types import Message
from starlette.websockets import WebSocket

from tests.handlers.conftest import Written
from tests.handlers.driver import scope

HEAD = "from handrail import custom_stream_handler\n"


async def socket_of(function: Any) -> list[Message]:
    """What goes out on a connection that says one text and leaves."""
    messages: Any = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages, {"type": "websocket.disconnect", "code": 1000})

    async def send(message: Message) -> None:
        sent.append(message)

    await adapt_stream(function).app(scope(type="websocket"), receive, send)
    return sent


async def bare(websocket):  # noqa: ANN001, ANN201  as scripts write it
    await websocket.send_text(await websocket.receive_text())


async def accepting(websocket: WebSocket) -> None:
    """As one written for FastAPI."""
    await websocket.accept()
    await bare(websocket)


async def annotated(engine: Engine, socket: WebSocket, retries: int = 3, **more: Any) -> None:
    assert isinstance(engine, Engine)
    await bare(socket)


async def late(engine: "Engine", *, socket: "WebSocket | None") -> None:  # noqa: UP037  as others write it
    assert socket is not None
    await bare(socket)


class Conversation:
    async def __call__(self, websocket: WebSocket) -> None:
        await bare(websocket)

    async def method(self, websocket: WebSocket) -> None:
        await bare(websocket)


@functools.wraps(bare)
def wrapped(*args: Any) -> Any:
    return bare(*args)


async def unwrapped(*args: Any) -> None:
    await bare(*args)


FUNCTIONS = [bare, accepting, annotated, late, Conversation(), Conversation().method, wrapped, unwrapped]


@pytest.mark.parametrize("function", [*FUNCTIONS, functools.partial(annotated, retries=1)])
async def test_it_has_the_connection_to_itself(function: Any) -> None:
    """Accepted once, whatever it does; with the engine, where it asks for it."""
    accepted, said = await socket_of(function)
    assert (accepted["type"], said) == ("websocket.accept", {"type": "websocket.send", "text": "hi"})


async def test_a_stream_may_choose_how_it_is_accepted() -> None:
    """Once."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    stream = Stream(scope(type="websocket"), receive, send)
    await stream.accept("chat")
    await stream.accept("other")
    assert [message["subprotocol"] for message in sent] == ["chat"]


def blocking(websocket: WebSocket) -> None: ...


async def yielding(websocket: WebSocket) -> Any:
    yield


async def nothing() -> None: ...


async def of_the_engine(engine: Engine) -> None: ...


async def two(websocket, other):  # noqa: ANN001, ANN201  as scripts write it
    ...


async def both(one: WebSocket, other: WebSocket) -> None: ...


async def of_http(request: Request) -> None: ...


async def defaulted(websocket=None):  # noqa: ANN001, ANN201  as scripts write it
    ...


async def body(websocket, body: dict[str, Any]):  # noqa: ANN001, ANN201  as scripts write it
    ...


async def keywords(**kwargs: Any) -> None: ...


REFUSED = [blocking, yielding, nothing, of_the_engine, two, both, of_http, defaulted, body, keywords, 5, None]


@pytest.mark.parametrize("function", REFUSED)
def test_what_cannot_be_called_so_is_refused(function: Any) -> None:
    """With its line, its signature, and the form that is accepted."""
    with pytest.raises(SignatureRefused) as refused:
        adapt_stream(function)
    assert ACCEPTED in str(refused.value)
    if callable(function):
        assert f"{__file__}:" in str(refused.value)
        assert f"def {function.__name__}(" in str(refused.value)


def test_a_class_and_a_method_without_its_object_are_told_how() -> None:
    for function, hint in [(Conversation, "name one of its methods"), (Conversation.__call__, "is a method")]:
        with pytest.raises(SignatureRefused, match=hint):
            adapt_stream(function)


# On the ladder.


@pytest.mark.parametrize(
    ("text", "rung"),
    [
        (f"{HEAD}@custom_stream_handler\nasync def f(websocket): ...\n", Rung.DECORATOR),
        (f"{HEAD}@custom_stream_handler()\nasync def f(websocket): ...\n", Rung.DECORATOR),
        ("async def custom_sagemaker_stream_handler(websocket): ...\n", Rung.NAME),
        ("class Model:\n    async def websocket(self, websocket): ...\n", Rung.STYLE),
        ("", Rung.DEFAULT),
    ],
)
def test_each_rung_answers(program: Written, text: str, rung: Rung) -> None:
    """And no other slot is the less answered."""
    loaded = program(text)
    assert loaded.faults == ()
    assert [loaded.resolutions[slot].winner.rung for slot in Slot] == [Rung.DEFAULT, Rung.DEFAULT, rung]
    assert loaded.sentences()[2].startswith("/invocations-bidirectional-stream is answered by ")


def test_the_environment_goes_before_all(program: Written) -> None:
    """And is said to hide the others."""
    text = f"{HEAD}@custom_stream_handler\nasync def f(websocket): ...\nasync def g(websocket): ...\n"
    loaded = program(text, stream="model:g")
    assert loaded.resolutions[Slot.STREAM].winner.found == "CUSTOM_FASTAPI_STREAM_HANDLER=model:g"
    (warning,) = loaded.warnings
    assert warning.startswith("/invocations-bidirectional-stream: CUSTOM_FASTAPI_STREAM_HANDLER=model:g hides f")


def test_two_on_a_rung_stop_the_start(program: Written) -> None:
    text = "@custom_stream_handler\nasync def f(websocket): ...\n@custom_stream_handler\nasync def g(websocket): ...\n"
    (fault,) = program(HEAD + text).faults
    assert str(fault).startswith("/invocations-bidirectional-stream has 2 handlers")
    assert "CUSTOM_FASTAPI_STREAM_HANDLER=model:f" in str(fault)


def test_a_near_miss_is_named(program: Written) -> None:
    (warning,) = program("async def custom_sagemaker_streams_handler(websocket): ...\n").warnings
    assert warning.endswith("did you mean custom_sagemaker_stream_handler?")


def test_a_wrong_signature_names_the_slot(program: Written) -> None:
    (fault,) = program("def custom_sagemaker_stream_handler(websocket): ...\n").faults
    assert str(fault).startswith("/invocations-bidirectional-stream, named custom_sagemaker_stream_handler: ")
    assert ACCEPTED in str(fault)
