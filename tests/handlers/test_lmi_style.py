"""A script for LMI without the server: the engine's streams as they may be, and the classes of its package."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from handrail.core.blocking import BlockingEngine
from handrail.core.ladder import Sources
from handrail.core.slots import Slot
from handrail.core.whole_model import Start, WholeModel
from handrail.resolve import resolve
from handrail.styles.lmi import decoding, marks, sending, stand_in
from handrail.styles.lmi.messages import Input, LmiOutput, PairList, input_of, to_json
from handrail.styles.lmi.style import LmiStyle
from handrail.styles.lmi.tokenizers import tokenizer_of
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.handlers.conftest import Place
from tests.handlers.driver import WordEngine, send

PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


@pytest.fixture(autouse=True)
def _without_the_stand_in() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == stand_in.PACKAGE]:
        del sys.modules[name]


def answers(kind: str, *pieces: str, status: int = 200) -> ASGIApp:
    """An engine that answers with these pieces."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


async def started(model_path: Path, default: ASGIApp | None = None) -> tuple[WholeModel, ASGIApp]:
    program = resolve(Sources(model_path, styles=(LmiStyle(),)))
    assert program.faults == ()
    (model,) = program.models
    model.meet_default(default or answers("application/json", "{}"))
    await model.start(Start(WordEngine(), ""))
    handler = program.resolutions[Slot.INVOCATION].handler
    assert handler is not None
    return model, handler.app


async def through(place: Place, model_path: Path, script: str, kind: str, *pieces: str) -> str:
    place(f"lmi/{script}")
    _, app = await started(model_path, answers(kind, *pieces))
    return (await send(app, {"prompt": "a"})).text


async def test_an_error_event_passes_and_ends_the_stream(place: Place, model_path: Path) -> None:
    """The formatter is not asked, and gets no `[DONE]`."""
    events = ['data: {"choices": []}\n\n', 'event: error\ndata: {"error": {"message": "x"}}\n\n', "data: more\n\n"]
    told = await through(place, model_path, "refuses_errors", "text/event-stream", *events)
    assert told == 'data: {"choices": []}\n\nevent: error\ndata: {"error": {"message": "x"}}\n\n'


async def test_an_error_line_passes_and_ends_the_stream(place: Place, model_path: Path) -> None:
    lines = ['{"token": {"text": "a"}}\n{"err', 'or": {"message": "x"}}\n']
    told = await through(place, model_path, "refuses_errors", "application/jsonlines", *lines)
    assert told == '{"token": {"text": "a"}}\n{"error": {"message": "x"}}\n'


async def test_comments_and_empty_lines_are_left_out(place: Place, model_path: Path) -> None:
    told = await through(place, model_path, "passes_chunks", "text/event-stream", ": wait\n\n", "data: [DONE]\n\n")
    assert told == "data: [DONE]\n\n"
    told = await through(place, model_path, "passes_chunks", "application/jsonlines", "\n", '{"a": 1}\n')
    assert told == '{"a": 1}\n'


async def test_what_the_model_dump_is_without(place: Place, model_path: Path) -> None:
    """The engine's answer may be none of the OpenAI API's."""
    place("lmi/dumps_the_answer")
    _, app = await started(model_path, answers("application/json", '{"a": ', "[1]}"))
    assert (await send(app, {"prompt": "a"})).json() == {"dumped": {"a": [1]}, "as_json": '{"a":[1]}'}


async def test_an_answer_that_is_an_error_passes(place: Place, model_path: Path) -> None:
    place("lmi/tells_text")
    _, app = await started(model_path, answers("application/json", "{}", status=404))
    answer = await send(app, {"prompt": "a"})
    assert (answer.status, answer.text) == (404, "{}")


@pytest.mark.parametrize("kind", ["text/event-stream", "application/jsonlines"])
async def test_a_client_that_leaves_ends_the_engine_s_stream(place: Place, model_path: Path, kind: str) -> None:
    ended = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
        body = b'data: {"a": 1}\n\n' if kind == "text/event-stream" else b'{"token": {"text": "a"}}\n'
        try:
            while True:
                await send({"type": "http.response.body", "body": body, "more_body": True})
                await asyncio.sleep(0)
        finally:
            ended.set()

    place("lmi/passes_chunks")
    _, app = await started(model_path, endless)
    answer = await send(app, {"prompt": "a"}, leave_after=3)
    assert ended.is_set()
    assert len(answer.chunks) >= 3


async def test_a_helper_stops_at_the_last_chunk() -> None:
    async def words() -> AsyncIterator[str]:
        yield "one"
        yield "two"

    told = stand_in.handle_streaming_response(words(), lambda chunk, end: (chunk, chunk == end), end="one")
    assert [sending.body_of(output) async for output in told] == [b"one\n"]


def test_a_request_of_rolling_batches_has_what_it_is_given() -> None:
    made = stand_in.TextInput(input_text="a")
    assert vars(made) == {"request_id": None, "parameters": {}, "input_text": "a"}


def engine() -> BlockingEngine:
    return BlockingEngine(WordEngine(), None)  # type: ignore[arg-type]


def request(body: bytes, **headers: str) -> Input:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return input_of(named, body, {"model_dir": "/m"}, engine())


def test_headers_replace_no_property_of_the_server() -> None:
    """A script that loads its model by them at the first request would load what a client names."""
    named = {"Model_Dir": "/evil", "option.trust_remote_code": "true", "Option.model_id": "evil", "x-who": "ann"}
    found = input_of(named, b"{}", {"model_dir": "/m", "option.dtype": "fp16"}, engine())
    assert found.get_properties() == {"model_dir": "/m", "option.dtype": "fp16", "x-who": "ann"}
    assert (found.get_property("Model_Dir"), found.get_property("option.trust_remote_code")) == ("/m", None)


def saved(array: Any, **arrays: Any) -> bytes:
    stream = io.BytesIO()
    if arrays:
        numpy.savez(stream, **arrays)
    else:
        numpy.save(stream, array)
    return stream.getvalue()


def test_the_content_of_a_request() -> None:
    found = request(b'{"a": 1}', content_type="application/json; charset=utf-8")
    assert str(found) == (
        "Input(properties={'model_dir': '/m', 'content-type': 'application/json; charset=utf-8'}, content=['data'])"
    )
    assert (found.get_property("Content-Type"), found.get_data()) == ("application/json; charset=utf-8", {"a": 1})
    assert found.get_as_bytes("data") == b'{"a": 1}'
    found.content = PairList()
    found.content.add("other", b"x")
    found.content.add("other", b"y")
    assert (found.get_as_bytes(), len(found.content), list(found.content)[1]) == (b"x", 2, ("other", b"y"))
    assert (found.content.key_at(0), found.content.get_values()) == ("other", [b"x", b"y"])


def test_data_by_content_type() -> None:
    array = numpy.array([1, 2])
    assert request(b"").get_data() is None
    assert request(b"a", content_type="text/plain").get_data() == "a"
    assert request(b"a", content_type="audio/wav").get_data() == b"a"
    assert request(saved(array), content_type="tensor/ndlist").get_data()[0].tolist() == [1, 2]
    assert request(saved(0, a=array), content_type="tensor/npz").get_data()[0].tolist() == [1, 2]
    assert request(b"a,b\n1,2\n").get_as_csv() == [{"a": "1", "b": "2"}]


def test_an_image_is_opened() -> None:
    assert request(PIXEL, content_type="image/gif").get_data().size == (1, 1)
    assert decoding.decode(request(PIXEL), "image/gif")["inputs"].format == "GIF"


def test_arrays_are_decoded() -> None:
    array = numpy.array([1.5])
    assert decoding.decode(request(saved(array)), "application/x-npy")["inputs"][0].tolist() == [1.5]
    assert decoding.decode(request(saved(0, a=array)), "application/x-npz")["inputs"][0].tolist() == [1.5]
    assert decoding.decode(request(b"1,2\n3,4\n"), "text/csv", require_csv_headers=False) == [[1, 2], [3, 4]]
    for wrong, kind in ((b"x", "application/x-npy"), (b"PK", "application/x-npz"), (b"\xff", "text/plain")):
        with pytest.raises(HTTPException) as refused:
            decoding.decode(request(wrong), kind)
        assert refused.value.status_code == 400


def test_an_empty_table_has_no_column() -> None:
    with pytest.raises(HTTPException, match="its first line is ''"):
        decoding.decode(request(b"\n"), "text/csv")


@pytest.mark.parametrize(
    ("kind", "given", "begins", "told"),
    [
        (None, [{"a": 1}], b'[{"a":1}]', "application/json"),
        ("application/json", {"a": 1}, b'{"a":1}', "application/json"),
        ("text/csv", [{"a": 1, "b": 2}], b"a,b\r\n1,2\r\n", "text/csv"),
        ("tensor/npz", [numpy.array([1])], b"PK", "tensor/npz"),
        ("application/x-npy", numpy.array([1]), b"\x93NUMPY", "application/x-npy"),
        ("tensor/ndlist", [numpy.array([1])], b"\x93NUMPY", "application/x-npy"),
    ],
)
def test_a_prediction_is_encoded(kind: str | None, given: Any, begins: bytes, told: str) -> None:
    output = LmiOutput()
    decoding.encode(output, given, kind)
    assert sending.body_of(output).startswith(begins)
    assert output.properties == {"Content-Type": told}


def test_an_output_says_what_it_is() -> None:
    output = LmiOutput(201, "made").add_as_string("a").add(bytearray(b"b"), key="more").add({"c": 1})
    assert str(output) == "Output(code=201, message='made', properties={})"
    assert output.content.get_values() == [b"a", b"b", b'{"c":1}']
    assert (sending.body_of(output), output.kind) == (b"a", "application/json")
    assert sending.body_of(LmiOutput()) == b""


def test_json_as_lmi_has_it() -> None:
    import datetime

    day = datetime.datetime(2026, 11, 29, 22, 0)
    assert to_json({"day": day, "n": numpy.float64(0.5)}) == '{"day":"2026-11-29 22:00:00","n":0.5}'
    with pytest.raises(ValueError, match="JSON compliant"):
        to_json(float("nan"))


async def test_an_output_of_the_real_package_is_one() -> None:
    real = SimpleNamespace(code=202, properties={"X-A": "b"}, content=PairList())
    real.content.add(None, bytearray(b"{}"))
    response = await sending.to_answer(real)
    assert (response.status_code, response.body, response.headers["x-a"]) == (202, b"{}", "b")
    assert response.headers["content-type"] == "application/json"


async def test_a_property_that_is_the_server_s_is_refused() -> None:
    with pytest.raises(ValueError, match="the header 'Content-Length' cannot be set"):
        await sending.to_answer(LmiOutput().add_property("Content-Length", "1"))


async def test_an_empty_stream_is_an_empty_answer() -> None:
    response = await sending.to_answer(LmiOutput().add_stream_content(iter(())))
    assert (response.status_code, response.headers["content-type"]) == (200, "application/octet-stream")


def test_the_tokenizer_is_the_model_s_where_there_is_one() -> None:
    given = tokenizer_of(engine())
    assert given.encode("ab c") == [2, 1]
    with pytest.raises(AttributeError, match="has `encode`, and no 'decode'"):
        given.decode([1])
    owned = SimpleNamespace(engine=SimpleNamespace(raw=SimpleNamespace(get_tokenizer=lambda: "its own")))
    assert tokenizer_of(owned) == "its own"  # type: ignore[arg-type]


def test_a_mark_is_for_functions() -> None:
    mark = marks.decorator(marks.INPUT)
    assert mark.__name__ == "input_formatter"
    with pytest.raises(TypeError, match="@input_formatter marks a function, not 5"):
        mark(5)  # type: ignore[type-var]


def test_a_function_of_c_is_taken_as_it_is(place: Place, model_path: Path) -> None:
    (model_path / "model.py").write_text("import djl_python\nimport operator\nhandle = operator.attrgetter('code')\n")
    (model,) = resolve(Sources(model_path, styles=(LmiStyle(),))).models
    assert dict(model.data())["functions"]["handle"]["name"] == "attrgetter"


def test_open_arguments_are_filled(model_path: Path) -> None:
    """A decorator without functools.wraps around a function."""
    text = "from djl_python.input_parser import prediction_handler\n\n\n@prediction_handler\ndef predict(*given): ...\n"
    (model_path / "model.py").write_text(text)
    assert resolve(Sources(model_path, styles=(LmiStyle(),))).faults == ()


def test_a_class_with_a_mark_is_no_function(model_path: Path) -> None:
    text = "import djl_python\n\n\nclass Any:\n    is_input_formatter = True\n"
    (model_path / "model.py").write_text(text)
    assert resolve(Sources(model_path, styles=(LmiStyle(),))).models == ()


def test_a_script_of_no_form_is_not_looked_at(model_path: Path) -> None:
    (model_path / "model.py").write_text("# djl_python\ndef handle(text): ...\n")
    assert resolve(Sources(model_path, styles=(LmiStyle(),))).models == ()
    (model_path / "model.py").write_text(f"# djl_python {'#' * 1_000_001}\ndef handle(text): ...\n")
    assert resolve(Sources(model_path, styles=(LmiStyle(),))).models == ()
