"""A request's way through a Model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from handrail.styles.truss.config import TrussConfig
from handrail.styles.truss.model import TrussModel
from handrail.styles.truss.streams import StreamStalled
from handrail.styles.truss.surroundings import Surroundings
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, StreamingResponse

from tests.handlers.driver import Answer, WordEngine, send

BODY = {"prompt": "a"}


class Prompt(BaseModel):
    prompt: str


class NoEngine(WordEngine):
    @property
    def raw(self) -> None:
        return None


async def started(cls: type, engine: WordEngine | None = None, **runtime: Any) -> TrussModel:
    model = TrussModel(cls, TrussConfig(Path("/ml/config.yaml"), {"runtime": runtime}), Surroundings())
    await model.start(engine or WordEngine())
    return model


async def ask(cls: type, body: Any = BODY, method: str = "predict", **sent: Any) -> Answer:
    return await send((await started(cls)).handlers[method].app, body, **sent)


class Steps:
    def preprocess(self, value: Any) -> Any:
        return [*value["words"], "preprocessed"]

    async def predict(self, words: Any, request: Request) -> Any:
        return [*words, request.method]

    async def postprocess(self, words: Any) -> Any:
        return " ".join(words)

    def chat_completions(self, model_input: Prompt) -> Any:
        return [model_input]

    def completions(self, request: Request) -> Any:
        return {"agent": request.headers["user-agent"]}

    def messages(self) -> None:
        """Answers nothing."""


async def test_predict_is_between_its_steps() -> None:
    assert (await ask(Steps, {"words": ["a", "b"]})).json() == "a b preprocessed POST"


@pytest.mark.parametrize(
    ("method", "expected"),
    [("chat_completions", [BODY]), ("completions", {"agent": "me"}), ("messages", None)],
)
async def test_other_methods_have_no_steps_and_read_their_own_body(method: str, expected: Any) -> None:
    """What `predict` takes is no matter of theirs."""
    assert (await ask(Steps, BODY, method, headers={"User-Agent": "me"})).json() == expected


async def test_a_body_that_does_not_fit_is_refused() -> None:
    """By the method's own model, with the place."""
    with pytest.raises(RequestValidationError) as refused:
        await ask(Steps, {"no": "prompt"}, "chat_completions")
    assert refused.value.errors()[0]["loc"] == ("body", "prompt")
    with pytest.raises(ValueError, match="Expecting value"):
        await ask(Steps, b"", "chat_completions")


@pytest.mark.parametrize("kind", ["application/octet-stream", "Application/Octet-Stream; a=b", "application/x-msgpack"])
async def test_what_is_not_json_is_415(kind: str) -> None:
    """A method that reads the request itself may take anything."""
    scope_headers = [(b"content-type", kind.encode())]
    with pytest.raises(StarletteHTTPException, match="send JSON") as refused:
        await send_with(scope_headers, "chat_completions")
    assert refused.value.status_code == 415
    assert (await send_with(scope_headers, "messages")).status == 200


async def send_with(headers: list[tuple[bytes, bytes]], method: str) -> Answer:
    app = (await started(Steps)).handlers[method].app

    async def changed(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "headers": headers}, receive, send)

    return await send(changed, b"\x80")


class Streams:
    def predict(self, model_input: Any) -> Iterator[str]:
        for i in range(3):
            yield str(i)

    async def chat_completions(self, model_input: Any) -> AsyncIterator[Any]:
        yield {"a": 1}
        yield {"b": 2}

    def completions(self, model_input: Any) -> Any:
        return StreamingResponse(iter([b"x", b"y"]), 203)

    async def embeddings(self, model_input: Any) -> AsyncIterator[str]:
        raise HTTPException(418, "early")
        yield ""


async def test_a_generator_is_a_stream() -> None:
    """Or one JSON value for a client that accepts JSON alone; OpenAI's clients say so and mean a stream."""
    assert (await ask(Streams)).chunks == [b"0", b"1", b"2"]
    plain = {"Accept": "application/json"}
    assert (await ask(Streams, headers=plain)).json() == "012"
    assert (await ask(Streams, headers=plain, method="chat_completions")).json() == [{"a": 1}, {"b": 2}]
    openai = {**plain, "User-Agent": "AsyncOpenAI/Python 2"}
    assert (await ask(Streams, headers=openai)).chunks == [b"0", b"1", b"2"]
    assert (await ask(Streams, method="chat_completions")).chunks[-1] == b"data: [DONE]\n\n"


async def test_a_response_is_left_alone() -> None:
    answer = await ask(Streams, method="completions", headers={"Accept": "application/json"})
    assert (answer.status, answer.chunks) == (203, [b"x", b"y"])


async def test_an_early_error_of_a_generator_has_its_status() -> None:
    with pytest.raises(HTTPException, match="early"):
        await ask(Streams, method="embeddings")


async def test_a_stream_and_postprocess_do_not_go_together() -> None:
    """Neither a generator nor a response."""
    for given in (Streams.predict, Streams.completions):
        cls = type("Model", (), {"predict": given, "postprocess": lambda self, value: value})
        with pytest.raises(TypeError, match="which postprocess cannot take"):
            await ask(cls)


async def test_steps_may_be_generators() -> None:
    """`preprocess` gives one to predict; `postprocess` streams."""

    class Model:
        async def preprocess(self, value: Any) -> AsyncIterator[Any]:
            yield value["prompt"]

        async def predict(self, values: Any) -> Any:
            return [value async for value in values]

        async def postprocess(self, values: Any) -> AsyncIterator[str]:
            for value in values:
                yield value * 2

    assert (await ask(Model)).chunks == [b"aa"]


async def test_a_generator_that_stalls_is_cut() -> None:
    """Its own time-outs are its own."""

    class Model:
        async def predict(self, model_input: Any) -> AsyncIterator[str]:
            if model_input == "own":
                raise TimeoutError("mine")
            yield "first"
            await asyncio.sleep(5)

    model = await started(Model, streaming_read_timeout=0.02)
    with pytest.raises(StreamStalled, match=r"0.02 s: work faster, or raise runtime\.streaming_read_timeout"):
        await send(model.handlers["predict"].app, BODY)
    with pytest.raises(TimeoutError, match="mine"):
        await send(model.handlers["predict"].app, "own")


class Counted:
    """How many of its predictions, and of what is around them, run at once."""

    def __init__(self) -> None:
        self.running = {"preprocess": 0, "predict": 0}
        self.most = dict(self.running)

    async def _run(self, name: str, value: Any) -> Any:
        self.running[name] += 1
        self.most[name] = max(self.most[name], self.running[name])
        await asyncio.sleep(0.005)
        self.running[name] -= 1
        return value

    async def preprocess(self, value: Any) -> Any:
        return await self._run("preprocess", value)

    async def predict(self, value: Any) -> Any:
        return self.most if value == "most" else await self._run("predict", value)


class CountedOfEngine(Counted):
    def __init__(self, trt_llm: Any) -> None:
        super().__init__()


@pytest.mark.parametrize(
    ("cls", "engine", "runtime", "at_once"),
    [
        (Counted, WordEngine, {"predict_concurrency": 2}, 2),
        (Counted, WordEngine, {}, 1),
        (CountedOfEngine, WordEngine, {}, 6),
        (CountedOfEngine, WordEngine, {"predict_concurrency": 3}, 3),
        (CountedOfEngine, NoEngine, {}, 1),
    ],
)
async def test_predict_runs_as_often_at_once_as_it_may(
    cls: type, engine: type[WordEngine], runtime: dict[str, int], at_once: int
) -> None:
    """Once, as on Truss, unless the Model takes an engine, which batches. Steps are outside of the limit."""
    model = await started(cls, engine(), **runtime)
    app = model.handlers["predict"].app
    await asyncio.gather(*(send(app, i) for i in range(6)))
    assert (await send(app, "most")).json() == {"preprocess": 6, "predict": at_once}


async def test_a_stream_keeps_its_slot_until_it_ends() -> None:
    """Whether it ends well or not."""

    class Model:
        async def predict(self, model_input: Any) -> AsyncIterator[str]:
            yield "a"
            if model_input == "bad":
                raise RuntimeError("bad")

    app = (await started(Model, predict_concurrency=1)).handlers["predict"].app
    with pytest.raises(RuntimeError):
        await send(app, "bad")
    assert [answer.text for answer in await asyncio.gather(send(app, 1), send(app, 2))] == ["a", "a"]


async def test_a_client_that_leaves_while_it_waits_for_its_turn_is_not_predicted_for() -> None:
    class Model:
        predicted: ClassVar[list[Any]] = []
        goes_on = asyncio.Event()

        async def predict(self, model_input: Any) -> Any:
            self.predicted.append(model_input)
            await self.goes_on.wait()
            return model_input

    app = (await started(Model)).handlers["predict"].app
    first = asyncio.create_task(send(app, "first"))
    while not Model.predicted:
        await asyncio.sleep(0)

    async def gone(scope: Any, receive: Any, answer: Any) -> None:
        messages = iter([{"type": "http.request", "body": b'"second"', "more_body": False}])

        async def received() -> Any:
            return next(messages, {"type": "http.disconnect"})

        await app(scope, received, answer)

    second = asyncio.create_task(send(gone, "second"))
    await asyncio.sleep(0.01)
    Model.goes_on.set()
    with pytest.raises(ClientDisconnect):
        await second
    assert ((await first).json(), Model.predicted) == ("first", ["first"])


async def test_preprocess_may_take_the_request_alone() -> None:
    class Model:
        async def preprocess(self, request: Request) -> Any:
            return await request.json()

        def predict(self, value: Any) -> Any:
            return [value]

    assert (await ask(Model)).json() == [BODY]


async def test_a_method_can_watch_for_the_client() -> None:
    """`request.state.watch_disconnect()`, also in a thread."""

    class Model:
        def predict(self, model_input: Any, request: Request) -> Any:
            with request.state.watch_disconnect() as has_left:
                return {"left": has_left.wait(0.05), "event": isinstance(has_left, threading.Event)}

    assert (await ask(Model)).json() == {"left": False, "event": True}


async def test_an_error_is_the_models_own() -> None:
    """With its headers, whoever makes an answer of it."""

    class Model:
        def predict(self, model_input: Any) -> Any:
            raise HTTPException(429, "slow down", headers={"Retry-After": "3"})

    with pytest.raises(HTTPException) as raised:
        await ask(Model)
    assert raised.value.headers == {"Retry-After": "3"}


async def test_pydantic_models_in_lists_and_json_responses() -> None:
    """Truss answers these with 500."""

    class Model:
        def predict(self, model_input: Any) -> Any:
            return {"prompts": [Prompt(prompt="a")]}

        def completions(self, model_input: Any) -> Any:
            return JSONResponse({"a": 1}, 201)

    assert (await ask(Model)).json() == {"prompts": [{"prompt": "a"}]}
    assert (await ask(Model, method="completions")).status == 201
