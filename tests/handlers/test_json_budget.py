"""JSON in strings is counted before it is parsed, all of a request together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, Query
from fastapi.exceptions import RequestValidationError
from handrail.core.calling import adapt
from handrail.core.first_error import at_first_error
from handrail.core.json_budget import BOUNDS
from handrail.core.slots import Slot
from pydantic import BaseModel, Json, TypeAdapter, ValidationError

OBJECTS = "[" + "{}," * 30_000 + "0]"
VALUES = "[" + "0," * 300_000 + "0]"
DEEP = "[" * 190 + "]" * 190


class Several(BaseModel):
    a: Json[Any] = None
    b: Json[Any] = None
    c: list[Json[Any]] = []
    d: dict[str, Json[Any] | int] = {}


class Inner(BaseModel):
    inner: Json[Any]


class Outer(BaseModel):
    outer: Json[list[Inner]]


async def two(a: Annotated[Json[Any], Body()], b: Annotated[Json[Any], Body()]) -> str:
    return "both"


async def asked(q: Annotated[Json[list[int]], Query()]) -> str:
    return "asked"


@pytest.mark.parametrize("whole_up_to", [0, 256])
@pytest.mark.parametrize("text", [OBJECTS, VALUES])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (list[Json[Any]], lambda text: [text] * 4),
        (Several, lambda text: {"a": text, "b": text, "c": [text, text]}),
        (Several, lambda text: {"d": {"x": text, "y": text.encode(), "z": text, "u": text}}),
        (Outer, lambda text: {"outer": TypeAdapter(Any).dump_json([{"inner": text}] * 4).decode()}),
        (tuple[Json[Any], Json[list[Any]], Json[Any], Json[Any]], lambda text: [text] * 4),
    ],
    ids=["list", "fields", "values", "nested", "tuple"],
)
def test_texts_are_counted_together(kind: Any, body: Any, text: str, whole_up_to: int) -> None:
    adapter = at_first_error(TypeAdapter(kind), whole_up_to)
    with pytest.raises(ValidationError, match="values, in one request together"):
        adapter.validate_python(body(text))
    for _ in range(3):
        adapter.validate_python({"a": text} if kind is Several else body("[1]"))  # each validation for itself


def test_many_deep_texts_are_too_many_objects() -> None:
    with pytest.raises(ValidationError, match="100000 objects"):
        at_first_error(TypeAdapter(list[Json[Any]]), 256).validate_python([DEEP] * 1_000)


def test_errors_in_a_text_are_not_collected_as_those_of_a_small_body() -> None:
    """The body itself has one item; its text has many wrong ones, and behind a wrong item stands a large text."""
    adapter = at_first_error(TypeAdapter(Json[list[int]]), 256)
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python("[" + '"x",' * 300_000 + "0]")
    assert refused.value.error_count() == 1
    with pytest.raises(ValidationError) as refused:
        at_first_error(TypeAdapter(list[Json[Any]]), 256).validate_python([1, OBJECTS * 100])
    assert [error["loc"] for error in refused.value.errors()] == [(0,)]
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python('["x", "y"]')
    assert refused.value.error_count() == 2


@pytest.mark.parametrize("objects", [100, 100_000])
async def test_all_fields_of_a_request_spend_from_its_bounds(objects: int) -> None:
    handler = adapt(two, Slot.INVOCATION)
    bounds = SimpleNamespace(objects=objects, values=1_000_000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await handler.app({**scope, "state": {BOUNDS: bounds}}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        few = "[" + "{}," * int(0.6 * objects) + "0]"
        for _ in range(2):
            assert (await http.post("/", json={"a": few, "b": "{}"})).json() == "both"
        with pytest.raises(RequestValidationError) as refused:
            await http.post("/", json={"a": few, "b": few})
    assert refused.value.errors()[0]["type"] == "json_too_large"
    assert refused.value.errors()[0]["ctx"]["objects"] == objects


async def test_a_query_s_json_too() -> None:
    handler = adapt(asked, Slot.INVOCATION)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(handler.app), base_url="http://test") as http:
        assert (await http.post("/", params={"q": "[1]"})).json() == "asked"
        with pytest.raises(RequestValidationError) as refused:
            await http.post("/", params={"q": "[" + '"x",' * 2_000 + "1]"})
    assert len(refused.value.errors()) == 1
