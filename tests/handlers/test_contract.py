"""What a handler takes and answers with, as `/openapi.json` has it."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import Body, Header, UploadFile
from handrail.core.calling import adapt
from handrail.core.contract import Contract, contract_of
from handrail.core.engine import Engine
from handrail.core.slots import Slot
from pydantic import BaseModel, field_validator
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from typing_extensions import TypedDict


class Part(BaseModel):
    n: int


class Ask(BaseModel):
    question: str
    part: Part


@dataclass
class Plain:
    n: int


class Typed(TypedDict):
    n: int


class Answer(BaseModel):
    text: str


class Undescribed:
    """Pydantic knows nothing of it."""


class Calls(BaseModel):
    call: Callable[[], int]


class Explodes(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def explode(cls, value: int) -> int:
        raise ZeroDivisionError


def of(function: Any, method: str = "POST") -> Contract:
    return contract_of(adapt(function, Slot.INVOCATION), "/invocations", method)


def taken(contract: Contract) -> Any:
    return contract.operation["requestBody"]["content"]["application/json"]["schema"]


def given(contract: Contract) -> Any:
    return contract.operation["responses"]["200"]["content"]


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


async def model(ask: Ask, engine: Engine) -> Answer:
    """Answer a question.

    In few words.
    """
    raise NotImplementedError


def test_a_model_in_and_a_model_out() -> None:
    """With what they refer to, and nothing else; the docstring describes it."""
    found = of(model)
    assert taken(found) == reference("Ask")
    assert given(found) == {"application/json": {"schema": reference("Answer")}}
    assert found.components.keys() == {"Ask", "Part", "Answer"}
    assert (found.operation["summary"], found.operation["description"]) == ("Answer a question.", "In few words.")
    assert found.fits({"question": "a", "part": {"n": 1}})
    assert not found.fits({"question": "a"})


def dataclass_(plain: Plain) -> Typed: ...
def list_(asks: Annotated[list[Ask], Body()], tenant: Annotated[str, Header()]) -> list[Answer]: ...
def optional(ask: Ask | None = None) -> Answer | None: ...
def nothing() -> None: ...
def mapping(body: dict[str, Any]) -> dict[str, int]: ...


@pytest.mark.parametrize(
    ("function", "body", "answer"),
    [
        (dataclass_, {"$ref": "#/components/schemas/Plain"}, {"$ref": "#/components/schemas/Typed"}),
        (list_, {"type": "array", "items": reference("Ask")}, {"type": "array", "items": reference("Answer")}),
        (optional, {"anyOf": [reference("Ask"), {"type": "null"}]}, {"anyOf": [reference("Answer"), {"type": "null"}]}),
        (mapping, {"type": "object"}, {"type": "object", "additionalProperties": {"type": "integer"}}),
    ],
)
def test_other_types_are_described_as_well(function: Any, body: dict[str, Any], answer: dict[str, Any]) -> None:
    found = of(function)
    assert body.items() <= taken(found).items()
    assert answer.items() <= given(found)["application/json"]["schema"].items()


def test_what_takes_no_body_has_none() -> None:
    """And what it is told beside the body is a parameter."""
    assert "requestBody" not in of(nothing).operation
    assert given(of(nothing))["application/json"]["schema"]["type"] == "null"
    assert of(nothing).fits("anything")
    (parameter,) = of(list_).operation["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("tenant", "header", True)


async def untyped(request): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  it says nothing
def annotated(request: Request) -> Answer: ...
def nowhere(ask: Ask) -> "NoSuchName": ...  # type: ignore[name-defined]  # noqa: F821, UP037


@pytest.mark.parametrize("function", [untyped, annotated, functools.partial(annotated)])
def test_what_is_not_said_is_left_open(function: Any) -> None:
    """A handler that reads the request itself: JSON of any shape. A GET has no body."""
    assert taken(of(function)) == {}
    assert "requestBody" not in of(function, "GET").operation
    assert of(function).operation["summary"].endswith("of the script answers.")


def test_an_answer_that_nobody_knows_may_be_anything() -> None:
    assert given(of(untyped)) == given(of(nowhere)) == {"*/*": {"schema": {}}}
    assert taken(of(nowhere)) == reference("Ask")


async def text(ask: Ask) -> AsyncIterator[str]:
    yield ""


def binary() -> Iterator[bytes]:
    yield b""


def events() -> Iterator[Answer]:
    yield Answer(text="")


def unknown():  # type: ignore[no-untyped-def]  # noqa: ANN201  it says nothing
    yield 1


def handed_on(ask: Ask) -> AsyncIterator[bytes]:
    return binary()  # type: ignore[return-value]


class Streams:
    """An instance that is called."""

    def __call__(self, ask: Ask) -> Iterator[bytes]:
        yield b""


@pytest.mark.parametrize(
    ("function", "media_types"),
    [
        (text, {"text/event-stream", "text/plain"}),
        (binary, {"application/octet-stream"}),
        (events, {"text/event-stream"}),
        (unknown, {"text/event-stream", "text/plain", "application/octet-stream"}),
        (handed_on, {"application/octet-stream"}),
        (functools.partial(binary), {"application/octet-stream"}),
        (Streams(), {"application/octet-stream"}),
    ],
)
def test_a_stream_has_the_media_types_of_streams(function: Any, media_types: set[str]) -> None:
    found = of(function)
    assert given(found).keys() == media_types
    assert found.operation["responses"]["200"]["description"].endswith("streams.")


def page() -> HTMLResponse: ...
def raw(ask: Ask) -> Response: ...
def either(ask: Ask) -> Answer | StreamingResponse: ...


def test_a_response_has_the_media_type_of_its_class() -> None:
    """Beside the JSON that it may be instead."""
    assert given(of(page)).keys() == {"text/html"}
    assert given(of(raw)).keys() == {"*/*"}
    assert given(of(either)) == {"application/json": {"schema": reference("Answer")}, "*/*": {"schema": {}}}


def upload(file: UploadFile) -> Answer: ...


def test_a_form_is_a_form() -> None:
    pytest.importorskip("python_multipart")  # FastAPI's own condition for forms
    assert of(upload).operation["requestBody"]["content"].keys() == {"multipart/form-data"}


def odd_answer(ask: Ask) -> Undescribed: ...
def odd_body(calls: Calls) -> Answer: ...
def odd_both(calls: Calls) -> Calls: ...


def test_what_cannot_be_described_spoils_nothing_else() -> None:
    """A type that has no JSON schema is JSON of any shape; the other side keeps its own."""
    assert (taken(of(odd_answer)), given(of(odd_answer))) == (reference("Ask"), {"application/json": {"schema": {}}})
    assert (taken(of(odd_body)), given(of(odd_body))["application/json"]["schema"]) == ({}, reference("Answer"))
    assert (taken(of(odd_both)), given(of(odd_both))) == ({}, {"application/json": {"schema": {}}})


def explodes(body: Explodes) -> Answer: ...


def test_a_validator_that_raises_is_no_fit() -> None:
    """The user's code, which may raise anything."""
    assert not of(explodes).fits({"n": 1})
