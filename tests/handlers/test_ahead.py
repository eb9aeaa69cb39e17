"""Large bodies of typed handlers are validated in a thread."""

from __future__ import annotations

import re
import threading
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, Depends
from fastapi.exceptions import RequestValidationError
from handrail.core.ahead import LARGE
from handrail.core.calling import adapt
from handrail.core.slots import Slot
from pydantic import AfterValidator, BaseModel

MANY = LARGE // 2


def threads(value: int) -> int:
    seen.add(threading.get_ident())
    if value == 13:
        raise RuntimeError("no such number")
    return value


seen: set[int] = set()
Seen = Annotated[int, AfterValidator(threads)]


class Numbers(BaseModel):
    numbers: list[Seen] = []
    more: list[Seen] = []


async def one(body: Numbers) -> int:
    return len(body.numbers)


async def several(body: Numbers, other: Annotated[list[Seen], Body()], third: Numbers | None = None) -> int:
    return len(body.numbers) + len(other)


def first(body: Annotated[Numbers, Body()]) -> int:
    return len(body.numbers)


async def depending(body: Annotated[Numbers, Body()], count: Annotated[int, Depends(first)]) -> int:
    return len(body.numbers) + count


async def renamed(body: Annotated[Numbers, Body(alias="x", embed=True)]) -> int:
    return len(body.numbers)


async def patterns(body: list[re.Pattern[str]]) -> int:
    return len(body)


async def posted(handler: Any, body: Any) -> Any:
    seen.clear()
    transport = httpx.ASGITransport(adapt(handler, Slot.INVOCATION).app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return (await http.post("/", json=body)).json()


@pytest.mark.parametrize(
    ("handler", "body", "answer"),
    [
        (one, lambda numbers: {"numbers": numbers}, 1),
        (several, lambda numbers: {"body": {"numbers": numbers}, "other": numbers}, 2),
        (depending, lambda numbers: {"numbers": numbers}, 2),
        (renamed, lambda numbers: {"x": {"numbers": numbers}}, 1),
    ],
)
async def test_a_large_body_is_validated_in_a_thread_and_a_small_one_is_not(
    handler: Any, body: Any, answer: int
) -> None:
    assert await posted(handler, body([1])) == answer
    assert seen == {threading.get_ident()}
    assert await posted(handler, body([1] * MANY)) == answer * MANY
    assert threading.get_ident() not in seen
    assert seen


async def test_what_is_wrong_is_told_in_the_same_words() -> None:
    for body in ({"numbers": ["x"] * MANY}, {"numbers": [1] * MANY, "more": ["x"]}, [1] * MANY, "a" * 2 * MANY):
        with pytest.raises(RequestValidationError) as refused:
            await posted(one, body)
        assert {error["loc"][0] for error in refused.value.errors()} == {"body"}
    with pytest.raises(RequestValidationError) as refused:
        await posted(several, [1] * MANY)
    assert [error["loc"] for error in refused.value.errors()] == [
        ("body", "body"),
        ("body", "other"),
        ("body", "third"),
    ]


async def test_what_a_validator_raises_is_its_own_fault() -> None:
    """An exception while FastAPI reads a body would be an error of the client."""
    for numbers in ([13], [1] * MANY + [13]):
        with pytest.raises(RuntimeError, match="no such number") as raised:
            await posted(one, {"numbers": numbers})
        assert "threads" in [entry.name for entry in raised.traceback]


async def test_a_pattern_that_is_too_deep_is_the_client_s_fault() -> None:
    for depth in (3_000, MANY):
        with pytest.raises(RequestValidationError) as refused:
            await posted(patterns, ["(" * depth + ")" * depth])
        assert refused.value.errors()[0]["type"] == "pattern_too_deep"


async def test_a_validator_s_own_recursion_is_its_own_fault() -> None:
    def endless(value: int) -> int:
        return endless(value)

    async def deep(body: list[Annotated[int, AfterValidator(endless)]]) -> None: ...

    deep.__annotations__["body"] = list[Annotated[int, AfterValidator(endless)]]
    with pytest.raises(RecursionError):
        await posted(deep, [1])
