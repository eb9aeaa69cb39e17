"""The adapter that SageMaker names in a header, in the body of the request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from handrail import Engine
from handrail.aws.adapter_header import HEADER, inject_adapter_id
from handrail.core.calling import adapt
from handrail.core.slots import Slot
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tests.handlers.driver import send


async def body_of(function: Any, body: Any, adapter: str | None = "poet") -> Any:
    """What `function` answers to `body`, as an invocation handler."""
    headers = {HEADER: adapter} if adapter else {}
    return (await send(adapt(function, Slot.INVOCATION).app, body, headers=headers)).json()


async def echo(raw_request: Request) -> Any:
    return await raw_request.json()


@pytest.mark.parametrize(
    ("given", "body", "expected"),
    [
        ({"adapter_path": "model"}, {"model": "base", "n": 1}, {"model": "poet", "n": 1}),
        ({"adapter_path": "model"}, {}, {"model": "poet"}),
        ({"adapter_path": "lora.name"}, {}, {"lora": {"name": "poet"}}),
        ({"adapter_path": "lora.name"}, {"lora": {"rank": 8}}, {"lora": {"rank": 8, "name": "poet"}}),
        ({"adapter_path": "model", "append": True, "separator": ":"}, {"model": "base"}, {"model": "base:poet"}),
        ({"adapter_path": "model", "append": True, "separator": ":"}, {}, {"model": "poet"}),
    ],
)
async def test_the_adapter_goes_to_its_place(given: dict[str, Any], body: Any, expected: Any) -> None:
    """Replacing what is there, or after it; what is missing on the way is made."""
    assert await body_of(inject_adapter_id(**given)(echo), body) == expected


async def test_without_the_header_the_body_stays() -> None:
    assert await body_of(inject_adapter_id("model")(echo), {"model": "base"}, adapter=None) == {"model": "base"}


async def test_raw_readers_see_it_too() -> None:
    """`body()` as well as `json()`."""

    async def size(raw_request: Request) -> Any:
        return (await raw_request.body()).decode()

    assert await body_of(inject_adapter_id("model")(size), {}) == '{"model": "poet"}'


@pytest.mark.parametrize(("path", "body"), [("model", [1]), ("lora.name", {"lora": "x"}), ("a.b.c", {"a": "x"})])
async def test_a_body_without_the_place_is_the_client_s_fault(path: str, body: Any) -> None:
    """400, with the place."""
    with pytest.raises(HTTPException, match=f"no place for .*: '{path}'") as refused:
        await body_of(inject_adapter_id(path)(echo), body)
    assert refused.value.status_code == 400


async def test_it_goes_around_a_handler_of_any_form() -> None:
    """The request under any name, the engine beside it, a plain function, a generator."""

    def plain(request, engine: Engine):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return [request._json, engine.tokenize("four")]

    def typed(*, request: Request, body: dict[str, Any]) -> Any:
        return [request._json, body]

    async def pieces(raw_request: Request) -> AsyncIterator[str]:
        yield str((await raw_request.json())["model"])

    decorate = inject_adapter_id("model")
    assert await body_of(decorate(plain), {}) == [{"model": "poet"}, [4]]
    assert await body_of(decorate(typed), {"n": 1}) == [{"n": 1, "model": "poet"}, {"n": 1}]
    headers = {HEADER: "poet"}
    assert (await send(adapt(decorate(pieces), Slot.INVOCATION).app, {}, headers=headers)).text == "poet"


@pytest.mark.parametrize("given", [{"adapter_path": ""}, {"adapter_path": "model", "append": True}])
def test_a_place_or_a_separator_is_asked_for(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="inject_adapter_id"):
        inject_adapter_id(**given)
