"""A user's function as an ASGI application: what it is given, where it runs, what FastAPI does for it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import json
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Annotated, Any

import httpx
import pytest
from fastapi import BackgroundTasks, Body, Depends, FastAPI, Header, HTTPException, Response
from fastapi.exceptions import RequestValidationError
from handrail import Engine
from handrail.core.calling import Handler, adapt
from handrail.core.errors import SignatureRefused
from handrail.core.slots import Slot
from handrail.core.threads import run_in_threadpool
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, field_serializer
from starlette.requests import Request

from tests.handlers.conftest import Resolved
from tests.handlers.driver import Answer, WordEngine, send

PROMPT = {"prompt": "once upon a time"}


async def ask(function: Callable[..., Any], body: Any = None, slot: Slot = Slot.INVOCATION, **sent: Any) -> Answer:
    return await send(adapt(function, slot).app, body, **sent)


def handler_of(resolved: Resolved, program: str, **references: str) -> Handler:
    loaded = resolved(program, **references)
    assert loaded.faults == ()
    handler = loaded.resolutions[Slot.INVOCATION].handler
    assert isinstance(handler, Handler)
    return handler


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("named_handlers", PROMPT),
        ("native_decorators", PROMPT),
        ("unannotated_request", PROMPT),
        ("raw_request", PROMPT),
        ("future_annotations", {**PROMPT, "method": "POST"}),
        ("future_annotations_dataclass", PROMPT),
        ("request_for_type_checkers", {**PROMPT, "tokens": [1, 1]}),
        ("no_arguments", "nothing taken"),
        ("sync_handler", {"on_main_thread": False}),
        ("dict_body", PROMPT),
        ("pydantic_body", {**PROMPT, "max_tokens": 16}),
        ("header", {**PROMPT, "tenant": "acme", "trace": "none"}),
        ("depends", {"connection": "open", "closed": 0}),
        ("engine_parameter", {"text": PROMPT["prompt"]}),
        ("engine_and_body", {"tokens": [4, 4, 1, 4]}),
        ("partial", {"answer": "> ONCE UPON A TIME"}),
        ("callable_instance", {"answer": "> once upon a time"}),
        ("unwrapped_decorator", PROMPT),
        ("wrapped_decorator", PROMPT),
        ("argparse_at_import", {"temperature": 0.5}),
        ("pickles_itself", {"value": 7, "same_class": True}),
        ("marked_and_named", "one function, two rungs"),
    ],
)
async def test_user_programs_answer(resolved: Resolved, program: str, answer: Any) -> None:
    """Each accepted way to write a handler, from the file to the answer."""
    got = await send(handler_of(resolved, program).app, PROMPT, headers={"X-Tenant": "acme"})
    assert (got.status, got.json()) == (200, answer)


async def test_generators_stream(resolved: Resolved) -> None:
    """An async generator that takes a request streams text, a plain one without arguments its data as events."""
    text = await send(handler_of(resolved, "async_generator").app, PROMPT)
    assert (text.headers["content-type"], len(text.chunks)) == ("text/plain; charset=utf-8", 4)


async def test_plain_generators_stream_from_threads(resolved: Resolved) -> None:
    """None of its steps runs on the event loop's thread."""
    events = await send(handler_of(resolved, "sync_generator").app)
    assert events.chunks[0] == b'data: {"n":0,"on_main_thread":false}\n\n'
    assert events.chunks[-1] == b"data: [DONE]\n\n"


async def test_a_method_of_a_class_keeps_its_state(resolved: Resolved) -> None:
    """`model:Class.method` for both slots is one object, made at load and not for each request."""
    loaded = resolved("method_of_class", ping="model:Handler.ping", invocation="model:Handler.infer")
    ping, invocation = (loaded.resolutions[slot].handler for slot in (Slot.PING, Slot.INVOCATION))
    for _ in range(2):
        assert (await send(invocation.app, PROMPT)).json() == PROMPT
    assert (await send(ping.app)).json() == {"calls": 2, "made": 1}


async def test_arguments_come_as_they_are_declared() -> None:
    """By position or by keyword, the request and the engine in any order."""
    engine = WordEngine()

    async def by_position(llm: Engine, request, /) -> Any:  # noqa: ANN001
        return [llm is engine, request.method]

    async def by_keyword(*, request, llm: Engine) -> Any:  # noqa: ANN001
        return [llm is engine, request.method]

    async def both(request, /, llm: Engine, *, again: Request) -> Any:  # noqa: ANN001
        return [llm is engine, again.method]

    for function in (by_position, by_keyword, both):
        assert (await ask(function, engine=engine)).json() == [True, "POST"]


async def test_arguments_with_a_body_come_as_they_are_declared() -> None:
    """FastAPI's arguments do not change how the others are passed."""

    async def by_position(body: dict, request, llm: Engine, /, n: int = 3) -> Any:  # noqa: ANN001
        return [body, request.method, llm.tokenize("a"), n]

    async def variadic(*args, body: dict) -> Any:  # noqa: ANN002
        return [body, args[0].method, llm_of(args[0]).tokenize("a"), 3]

    def llm_of(request: Request) -> Engine:
        return request.app.state.engine  # type: ignore[no-any-return]

    for function in (by_position, variadic):
        assert (await ask(function, {"a": 1})).json() == [{"a": 1}, "POST", [1], 3]


async def test_def_runs_in_a_thread_and_async_def_on_the_loop() -> None:
    """For plain functions, methods, partials and objects with `__call__` alike."""

    def here() -> bool:
        return threading.current_thread() is threading.main_thread()

    async def asynchronous() -> bool:
        return here()

    class Synchronous:
        def __call__(self) -> bool:
            return here()

        def method(self) -> bool:
            return here()

    class Asynchronous:
        async def __call__(self) -> bool:
            return here()

        async def method(self) -> bool:
            return here()

    in_thread = [here, Synchronous(), Synchronous().method, functools.partial(here)]
    on_loop = [asynchronous, Asynchronous(), Asynchronous().method, functools.partial(asynchronous)]
    assert [(await ask(function)).json() for function in in_thread] == [False] * 4
    assert [(await ask(function)).json() for function in on_loop] == [True] * 4


async def test_a_plain_function_may_return_what_is_to_be_awaited() -> None:
    """A partial of an object with an async `__call__`, or a decorator that is no `async def` itself."""

    class Infer:
        async def __call__(self, request: Request) -> str:
            return request.method

    assert (await ask(functools.partial(Infer()))).json() == "POST"
    assert (await ask(lambda request: Infer()(request))).json() == "POST"


async def test_functions_may_return_generators() -> None:
    """It is the value that is a stream, however the function that made it is written."""

    async def words() -> AsyncIterator[str]:
        yield "a"

    def plain() -> Iterator[str]:
        yield "a"

    async def returns_async_generator() -> Any:
        return words()

    async def returns_generator() -> Any:
        return plain()

    for function in (words, plain, returns_async_generator, returns_generator, functools.partial(plain)):
        answer = await ask(function)
        assert (answer.text, answer.headers["content-type"]) == ("a", "text/plain; charset=utf-8")


async def test_typed_handlers_stream_as_plain_ones_do() -> None:
    """A body of FastAPI's changes nothing about the answer."""

    async def words(body: dict) -> AsyncIterator[str]:
        for word in body["prompt"].split():
            yield word

    def events(body: dict) -> Iterator[int]:
        yield len(body)

    async def nothing(body: dict) -> None: ...

    answer = await ask(words, PROMPT)
    assert (answer.headers["content-type"], len(answer.chunks)) == ("text/plain; charset=utf-8", 4)
    assert (await ask(events, PROMPT)).chunks == [b"data: 1\n\n", b"data: [DONE]\n\n"]
    assert (await ask(nothing, {})).json() is None


async def test_what_a_handler_raises_reaches_the_server() -> None:
    """HTTPException with all it carries, and anything else as it is, typed or not."""

    async def refuses(request: Request) -> None:
        raise HTTPException(409, {"why": "busy"}, {"Retry-After": "3"})

    def fails(body: dict) -> None:
        raise LookupError("gone")

    with pytest.raises(HTTPException) as refusal:
        await ask(refuses)
    assert (refusal.value.status_code, refusal.value.detail, refusal.value.headers) == (
        409,
        {"why": "busy"},
        {"Retry-After": "3"},
    )
    with pytest.raises(LookupError, match="gone"):
        await ask(fails, {})


@pytest.mark.parametrize(
    ("body", "kind"),
    [({}, "missing"), ({"prompt": 3}, "string_type"), (b"{", "json_invalid"), ([], "model_attributes_type")],
)
async def test_a_body_that_does_not_fit_is_a_validation_error(resolved: Resolved, body: Any, kind: str) -> None:
    """FastAPI's own error, with where and why; the handler is not called."""
    with pytest.raises(RequestValidationError) as error:
        await send(handler_of(resolved, "pydantic_body").app, body)
    assert [details["type"] for details in error.value.errors()] == [kind]


class Prediction(BaseModel):
    prompt: str
    max_tokens: int = 16
    stop: list[str] | None = None


async def predict(body: Prediction, x_tenant: Annotated[str | None, Header()] = None) -> Any:
    return {"body": body, "tenant": x_tenant}


FASTAPI = FastAPI()
FASTAPI.post("/invocations")(predict)
HANDLER = adapt(predict, Slot.INVOCATION)

bodies = st.fixed_dictionaries(
    {},
    optional={
        "prompt": st.text(st.characters(codec="utf-8"), max_size=8) | st.integers() | st.none(),
        "max_tokens": st.integers(-(2**40), 2**40) | st.sampled_from(["7", "x", 1.5, None]),
        "stop": st.none() | st.lists(st.sampled_from(["a", ""]) | st.integers(), max_size=3),
        "unknown": st.booleans(),
    },
)


@given(bodies | st.none() | st.lists(st.integers(), max_size=2) | st.text(st.characters(codec="utf-8"), max_size=4))
def test_typed_handlers_take_bodies_as_fastapi_does(body: Any) -> None:
    """For any body: the same answer as a FastAPI application's, or the same complaints."""
    theirs = asyncio.run(_post(FASTAPI, body))
    try:
        ours = asyncio.run(send(HANDLER.app, body, headers={"X-Tenant": "acme"}))
    except RequestValidationError as error:
        complaints = [_where(details) for details in error.errors()]
    else:
        assert (ours.status, ours.json()) == (theirs.status_code, theirs.json())
        return
    assert theirs.status_code == 422
    assert complaints == [_where(details) for details in theirs.json()["detail"]]


async def _post(app: FastAPI, body: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        headers = {"X-Tenant": "acme", "Content-Type": "application/json"}
        # httpx takes `json=None` for no body at all.
        return await client.post("/invocations", content=json.dumps(body), headers=headers)


def _where(details: Any) -> tuple[str, list[Any]]:
    return details["type"], list(details["loc"])


async def test_dependencies_end_after_the_answer(resolved: Resolved) -> None:
    """A dependency that yields is closed once the answer is sent, and is fresh for each request."""
    handler = handler_of(resolved, "depends")
    closed = handler.function.__globals__["CLOSED"]  # type: ignore[attr-defined]
    for number in range(2):
        assert (await send(handler.app)).json() == {"connection": "open", "closed": number}
        assert len(closed) == number + 1


async def test_fastapi_adds_what_the_handler_sets_on_the_response() -> None:
    """`response: Response` and background tasks work as in FastAPI."""
    ran = []

    def handler(response: Response, tasks: BackgroundTasks, n: Annotated[int, Body()]) -> Any:
        response.status_code = 201
        response.headers["X-Made"] = "yes"
        tasks.add_task(ran.append, n)
        return {"n": n}

    answer = await ask(handler, 7)
    assert (answer.status, answer.headers["x-made"], answer.json()) == (201, "yes", {"n": 7})
    assert ran == [7]


class Leaf(BaseModel):
    n: int

    @field_serializer("n")
    def where(self, value: int) -> bool:
        """Whether it is encoded in the event loop's thread."""
        return threading.current_thread() is threading.main_thread()


async def leaves(request: Request) -> Any:
    return {"all": [Leaf(n=n) for n in range(await request.json())]}


async def typed_leaves(n: Annotated[int, Body()]) -> Any:
    return {"all": [Leaf(n=one) for one in range(n)]}


@pytest.mark.parametrize("handler", [leaves, typed_leaves])
async def test_a_large_answer_is_encoded_in_a_thread(handler: Callable[..., Any]) -> None:
    """FastAPI's encoder takes some microseconds for each part: a client's 5 MB in an answer took it 4 s."""
    assert (await ask(handler, 1)).json() == {"all": [{"n": True}]}
    assert (await ask(handler, 2000)).json() == {"all": [{"n": False}] * 2000}


async def test_a_typed_answer_is_encoded_as_a_plain_one() -> None:
    """A Decimal of a client's does not become a number of any length, and half of a surrogate pair is sent."""

    def handler(n: Annotated[int, Body()]) -> Any:
        return {"it": Decimal("1e300000")} if n else {"it": "\ud800"}

    with pytest.raises(ValueError, match="a Decimal of 300,001 digits"):
        await ask(handler, 1)
    assert (await ask(handler, 0)).body == b'{"it":"\\ud800"}'


@pytest.mark.parametrize(("status", "returned"), [(503, {"status": "unhealthy"}), (503, None), (200, {"status": "ok"})])
async def test_a_typed_ping_may_set_its_status(status: int, returned: Any) -> None:
    """A health check that says 503 on `response` is not turned into a 200."""

    def ping(response: Response) -> Any:
        response.status_code = status
        response.headers["X-Checked"] = "yes"
        return returned

    answer = await ask(ping, slot=Slot.PING)
    assert (answer.status, answer.headers["x-checked"], answer.json()) == (status, "yes", returned)


@pytest.mark.parametrize(("returned", "status"), [(True, 200), (None, 200), (False, 503)])
async def test_a_typed_ping_may_answer_yes_or_no(returned: bool | None, status: int) -> None:
    """As a plain one may."""

    def ping(x_probe: Annotated[str | None, Header()] = None) -> Any:
        return returned

    assert (await ask(ping, slot=Slot.PING, method="GET")).status == status


class Large:
    """What a frame holds: a body, or what is made of it."""


HELD: list[weakref.ref[Large]] = []


def refusing(value: Any) -> Any:
    own = Large()
    HELD.append(weakref.ref(own))
    raise ValueError("no")


class Refused(BaseModel):
    n: Annotated[int, BeforeValidator(refusing)]
    text: str


def takes_refused(body: Refused) -> Any:
    raise AssertionError(body)


async def test_what_is_refused_is_gone_with_its_error() -> None:
    """No cycle keeps it, and its body, until a full collection."""
    app, body = adapt(takes_refused, Slot.INVOCATION).app, {"n": 1, "text": "x" * 20_000}
    HELD.clear()
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(RequestValidationError):
            await send(app, body)
        await run_in_threadpool(int)  # the thread has gone on
        assert [one() for one in HELD] == [None] * len(HELD)
    finally:
        gc.enable()
    assert HELD


class Unspeakable:
    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
        raise AssertionError


def takes_unspeakable(body: Unspeakable) -> None: ...
def takes_engine_annotated(body: Annotated[Engine, "the engine"]) -> None: ...


@pytest.mark.parametrize("function", [takes_unspeakable, takes_engine_annotated])
def test_what_fastapi_cannot_parse_is_refused_at_load(function: Callable[..., Any]) -> None:
    """Whatever FastAPI raises, a bare assertion included, becomes a sentence with the definition."""
    with pytest.raises(SignatureRefused, match=rf"{__file__}:\d+ def {function.__name__}\(.*\) -> None: \w+"):
        adapt(function, Slot.INVOCATION)


async def test_an_engine_can_be_had_from_the_request_too() -> None:
    """`request.app.state` is the server's: the facade and, on vLLM, the client."""

    def needs_none(user: Annotated[str, Depends(lambda: "someone")], request: Request) -> Any:
        return [user, type(request.app.state.engine).__name__]

    assert (await ask(needs_none)).json() == ["someone", "WordEngine"]
