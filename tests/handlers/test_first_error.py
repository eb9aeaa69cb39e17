"""Validation that ends at the first wrong item."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Body, Depends
from fastapi.routing import APIRoute
from handrail.core.first_error import at_first_error, route_at_first_error
from pydantic import BaseModel, TypeAdapter, ValidationError


class Item(BaseModel):
    name: str
    tags: list[int] | list[str] = ["list"]  # type: ignore[assignment]


class Order(BaseModel):
    items: list[Item]
    pairs: set[int] = set()


def order(first: Annotated[Order, Body()]) -> None:
    """A dependency with a body of its own."""


async def endpoint(second: Annotated[Order, Body()], _: Annotated[None, Depends(order)]) -> None:
    """A route's."""


@pytest.mark.parametrize("item", [{}, [], 0, "", {"name": "a", "tags": [[]] * 50}])
def test_one_wrong_item_is_as_good_as_many(item: Any) -> None:
    adapter = at_first_error(TypeAdapter(Order))
    with pytest.raises(ValidationError) as few:
        adapter.validate_python({"items": [item]})
    with pytest.raises(ValidationError) as many:
        adapter.validate_python({"items": [item] * 10_000})
    assert many.value.errors(include_input=False) == few.value.errors(include_input=False)
    assert few.value.error_count() <= 2


def test_what_is_right_is_as_before() -> None:
    body = {"items": [{"name": "a", "tags": [1]}, {"name": "b"}], "pairs": [1, 1]}
    assert at_first_error(TypeAdapter(Order)).validate_python(body) == TypeAdapter(Order).validate_python(body)


def test_the_bodies_of_a_route_and_of_what_it_depends_on() -> None:
    route = APIRoute("/", endpoint)
    route_at_first_error(route)
    fields = [*route.dependant.body_params, *route.dependant.dependencies[0].body_params]
    assert [len(field.validate({"items": [{}] * 99})[1]) for field in fields] == [1, 1]


def test_what_is_no_route_as_we_know_it_is_left_alone() -> None:
    route_at_first_error(object())
    route = APIRoute("/", endpoint)
    route.dependant.body_params[0].__dict__.pop("_type_adapter")
    route_at_first_error(route)


def test_what_is_small_is_reported_on_in_whole() -> None:
    adapter = at_first_error(TypeAdapter(Order), whole_up_to=10)
    for count, found in ((9, 9), (10, 1), (100, 1)):
        with pytest.raises(ValidationError) as refused:
            adapter.validate_python({"items": [{}] * count})
        assert refused.value.error_count() == found
    assert adapter.validator.title == TypeAdapter(Order).validator.title
    assert adapter.validate_python({"items": []}) == Order(items=[])
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python({"items": [{"name": 0, "tags": [0] * 9}] * 2})
    assert refused.value.error_count() == 1


def test_one_for_a_thread_comes_to_the_interpreter_between_two_items() -> None:
    """Where other threads may have it. What is right, wrong, or of one member of a union is found as without."""
    adapter = at_first_error(TypeAdapter(Order), yields=True)
    body = {"items": [{"name": str(i), "tags": [i]} for i in range(100)]}
    assert calls_of(lambda: adapter.validate_python(body)) >= 100
    without = at_first_error(TypeAdapter(Order))
    assert calls_of(lambda: without.validate_python(body)) < 50
    assert adapter.validate_python(body) == TypeAdapter(Order).validate_python(body)
    wrong: list[Any] = [{}, 0, {"name": "a", "tags": [[]]}]
    for item in wrong:
        with pytest.raises(ValidationError) as refused:
            adapter.validate_python({"items": [*body["items"][:3], item]})
        assert refused.value.errors()[0]["loc"][:2] == ("items", 3)


def calls_of(work: Callable[[], object]) -> int:
    """How many functions of Python's are called."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls
