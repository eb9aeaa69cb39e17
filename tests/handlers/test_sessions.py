"""SageMaker's sessions as far as a script has part in them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from handrail.aws import sessions
from handrail.aws.sessions import SessionRequest, session_request
from handrail.core.marks import collect
from handrail.core.slots import SessionStep
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from tests.handlers.conftest import Written
from tests.handlers.driver import scope

HEAD = "from model_hosting_container_standards import sagemaker\nfrom handrail import custom_invocation_handler\n"


def request_of(body: Any, session: str = "", **state: Any) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw}

    headers = {sessions.HEADER: session} if session else {}
    return Request(scope(headers=headers, state=state), receive)


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        (b'{"requestType": "NEW_SESSION"}', SessionRequest.OPEN),
        (b' {"requestType":"CLOSE"} ', SessionRequest.CLOSE),
        (b'{"requestType": "summary", "text": ""}', None),
        (b'{"requestType": {}, "text": ""}', None),
        (b'["requestType"]', None),
        (b'{"a": "requestType"}', None),
        (b'{"requestType": "CLO', None),
        (b"[" * 60_000 + b'"requestType"', None),
        (b'{"requestType": "CLOSE"}'.ljust(65536), SessionRequest.CLOSE),
        (b'{"requestType": "CLOSE"}'.ljust(65537), None),  # it is not parsed
        (b'{"requestType": "CLOSE", "text": "%s"}' % (b"x" * 65536), None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_a_body_is_about_a_session_or_a_handlers(body: bytes, asked: SessionRequest | None) -> None:
    assert session_request(body) is asked


@pytest.mark.parametrize("body", [{"requestType": "CLOSE", "a": 1}, {"requestType": "close"}, {"requestType": None}])
def test_a_body_that_is_half_about_one_is_refused(body: Any) -> None:
    with pytest.raises(HTTPException, match="no more") as refused:
        session_request(json.dumps(body).encode())
    assert refused.value.status_code == 400


async def plain(request: Request) -> Any:
    return await request.json()


def blocking(request: Request, engine: Any = None) -> Any:
    return request._json


async def of_nothing() -> str:
    return "nothing"


@pytest.mark.parametrize("function", [plain, blocking])
async def test_the_id_goes_into_the_body(function: Callable[..., Any]) -> None:
    """Where the decorator says, if it does; sync or not."""
    managed = sessions.stateful_session_manager("a.id")(function)
    known = {sessions.LOOKED_AT: True}
    assert await managed(request_of({"b": 1}, "mine", **known)) == {"b": 1, "a": {"id": "mine"}}
    assert await managed(request=request_of({"b": 1}, "mine", **known)) == {"b": 1, "a": {"id": "mine"}}
    assert managed.__name__ == function.__name__
    assert await sessions.stateful_session_manager()(plain)(request_of({"b": 1}, "mine", **known)) == {"b": 1}


async def test_without_parentheses_and_without_a_request() -> None:
    """It is a decorator all the same."""
    assert await sessions.stateful_session_manager(plain)(request_of({})) == {}
    assert await sessions.stateful_session_manager(of_nothing)() == "nothing"


@pytest.mark.parametrize(("body", "session"), [({"requestType": "CLOSE"}, ""), ({}, "mine")])
async def test_where_nobody_keeps_sessions_they_are_refused(body: Any, session: str) -> None:
    with pytest.raises(HTTPException, match="stateful sessions not enabled"):
        await sessions.stateful_session_manager()(plain)(request_of(body, session))


# An engine's own.


class Close(BaseModel):
    session_id: str


def opening(answer: Any, path: str = "body.id", model: Any = None) -> Any:
    async def create(*given: Any) -> Any:
        return answer

    with collect() as marks:
        registered = sessions.register_create_session_handler(path, model)(create)
    assert [(mark.role, mark.function) for mark in marks] == [(SessionStep.CREATE, registered)]
    return registered


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ({"id": "x1"}, "body.id"),
        ({"deep": {"er": "x1"}}, 'body."deep".er'),
        (Response(headers={"X-Session": "x1"}), 'headers."X-Session"'),
    ],
)
async def test_the_new_id_is_where_it_says(answer: Any, path: str) -> None:
    response = await opening(answer, path)(request_of({}))
    assert (response.headers[sessions.OPENED_HEADER], response.body) == ("x1", b"Successfully created session: x1")


@pytest.mark.parametrize("answer", [{}, {"id": ""}, "x1", ["id"], Response(b"{"), StreamingResponse(iter(["x"]))])
async def test_without_an_id_it_is_500(answer: Any) -> None:
    with pytest.raises(HTTPException, match="Session ID not found in response") as error:
        await opening(answer, "body.id.er" if answer == {"id": ""} else "body.id")(request_of({}))
    assert error.value.status_code == 500


async def test_what_its_engine_refuses_is_passed_on() -> None:
    refused = Response(b"full", 503)
    assert await opening(refused)(request_of({})) is refused


async def test_a_model_that_its_body_does_not_fit_is_424() -> None:
    with pytest.raises(HTTPException) as error:
        await opening({"id": "x1"}, model=Close)(request_of({}))
    assert (error.value.status_code, "session_id" in error.value.detail) == (424, True)


@pytest.mark.parametrize("model", [None, Close])
async def test_the_id_to_close_is_in_the_body(model: Any) -> None:
    seen = []

    def close(*given: Any) -> None:
        seen.append(given[0]._json if model is None else given[0].model_dump())

    closing = sessions.register_close_session_handler("body.session_id", model)(close)
    response = await closing(request_of({"requestType": "CLOSE"}, "x1"))
    assert seen == [{"session_id": "x1"}]
    assert (response.headers[sessions.CLOSED_HEADER], response.body) == ("x1", b"Successfully closed session: x1")
    with pytest.raises(HTTPException, match="Session ID is required"):
        await closing(request_of({"requestType": "CLOSE"}))


async def test_the_id_to_close_may_be_of_no_interest() -> None:
    """To a function that takes the request, and looks at its header."""
    register = sessions.register_close_session_handler('headers."x-id"')
    closing = register(lambda request: request.headers[sessions.HEADER])
    assert (await closing(request_of({}, "x1"))).status_code == 200


@pytest.mark.parametrize("path", ["", "a b", "body..id", "body.[0]", None, 5])
def test_a_path_that_is_none_is_refused_at_once(path: Any) -> None:
    for register in (sessions.register_create_session_handler, sessions.register_close_session_handler):
        with pytest.raises(ValueError, match=r"write one such as 'body\.session_id'"):
            register(path)


def test_two_for_one_step_stop_the_start(program: Written) -> None:
    """And one is noted, with its name and line."""
    from handrail.aws.compat import install

    install()
    text = "@sagemaker.register_create_session_handler('body.id')\nasync def f{}(request): ...\n"
    loaded = program(HEAD + text.format(1))
    assert loaded.faults == ()
    signature = loaded.session_handlers[SessionStep.CREATE].signature
    assert (signature.name, signature.where.endswith("model.py:4")) == ("f1", True)
    (fault,) = program(HEAD + text.format(1) + text.format(2)).faults
    assert str(fault).startswith("@register_create_session_handler marks ")


def test_any_callable_can_be_one() -> None:
    assert sessions.handler_of(functools.partial(plain)).signature.name == "partial"
