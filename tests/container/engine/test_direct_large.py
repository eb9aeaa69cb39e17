"""Large bodies of any of an engine's routes are validated once, and beside the event loop."""

from __future__ import annotations

import json
import threading
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from handrail_container.engine.asgi.direct import direct
from handrail_container.engine.grammars import RequestBounds
from pydantic import BaseModel, field_validator

from tests.container.engine.test_direct import told

USUAL = "/v1/usual"
NUMBERS = b"1," * 50_000
seen: list[tuple[str, int]] = []


class Item(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def is_seen(cls, name: str) -> str:
        seen.append((name, threading.get_ident()))
        return name


class Texts(BaseModel):
    items: list[Item]


class Tokens(BaseModel):
    tokens: list[int]


async def one(request: Texts, raw_request: Request) -> Any:
    return JSONResponse({"items": len(request.items)})


async def several(request: Tokens | Texts, raw_request: Request) -> Any:
    return JSONResponse({"is": type(request).__name__})


async def annotated(request: Annotated[Tokens | Texts, Body()], raw_request: Request) -> Any:
    return JSONResponse({"is": type(request).__name__})


async def explain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    told = [{key: value for key, value in each.items() if key in ("type", "loc", "msg")} for each in error.errors()]
    return JSONResponse({"errors": told, "body": error.body}, 400)


def engine() -> FastAPI:
    app = FastAPI()
    for path, call in {USUAL: one, "/one": one, "/several": several, "/annotated": annotated}.items():
        call.__annotations__ = {key: _KINDS.get(value, value) for key, value in call.__annotations__.items()}
        app.post(path)(call)
    app.exception_handler(RequestValidationError)(explain)
    return app


_KINDS = {
    "Texts": Texts,
    "Tokens | Texts": Tokens | Texts,
    "Annotated[Tokens | Texts, Body()]": Annotated[Tokens | Texts, Body()],
    "Request": Request,
    "Any": Any,
}


def names(count: int, *last: Any) -> bytes:
    return json.dumps({"items": [*({"name": f"name {i}"} for i in range(count)), *last]}).encode()


@pytest.mark.parametrize("path", [USUAL, "/one", "/several", "/annotated"])
@pytest.mark.parametrize(
    "body",
    [
        *(names(2), names(2, {"name": 0}), names(2000), names(2000, {"name": 0}), names(2000, 0), names(2000)[:-1]),
        *(b'{"tokens": [%s1]}' % NUMBERS, b'{"tokens": [%s"a"]}' % NUMBERS, b"[%s1]" % NUMBERS),
    ],
    ids=lambda body: f"{len(body)} {body[-12:].decode()}",
)
async def test_it_is_answered_as_by_the_framework(path: str, body: bytes) -> None:
    app = engine()
    assert await told(direct(app, app, [USUAL]), body, path=path) == await told(app, body, path=path)


@pytest.mark.parametrize("path", [USUAL, "/one", "/several", "/annotated"])
@pytest.mark.parametrize("last", [(), ({"name": 0},), (0,)])
async def test_each_of_its_items_is_looked_at_once_and_not_by_the_loop(path: str, last: tuple[Any, ...]) -> None:
    seen.clear()
    app = engine()
    sent, _, _ = await told(direct(app, app, [USUAL]), names(2000, *last), path=path)
    assert sent[0]["status"] == (400 if last else 200)
    assert [name for name, _ in seen] == [f"name {i}" for i in range(2000)]
    assert threading.get_ident() not in {thread for _, thread in seen}


class Completion(BaseModel):
    prompt: list[str]
    n: int = 1


async def complete(request: Completion, raw_request: Request) -> Any:
    return JSONResponse({"answers": len(request.prompt) * request.n})


@pytest.mark.parametrize("paths", [[USUAL], ["/another", "/v1/none"]], ids=["usual", "not usual"])
@pytest.mark.parametrize(("prompts", "status"), [(2, 200), (3, 400), (9_000, 400)])
async def test_more_answers_than_are_allowed_are_not_asked_for(paths: list[str], prompts: int, status: int) -> None:
    """In the engine's own form of an error, whatever the size of the body."""
    app = FastAPI()
    complete.__annotations__["request"], complete.__annotations__["raw_request"] = Completion, Request
    app.post(USUAL)(complete)
    body = json.dumps({"prompt": ["hi"] * prompts, "n": 4}).encode()
    sent, raised, _ = await told(direct(app, app, paths, RequestBounds(answers=8)), body, path=USUAL)
    assert (sent[0]["status"], raised) == (status, "")
    assert (b"HANDRAIL_MAX_N allows 8" in sent[1]["body"]) is (status == 400)


@pytest.mark.parametrize("size", [10, 100_000], ids=["small", "large"])
async def test_json_in_strings_is_counted_before_a_model_parses_it(size: int) -> None:
    app = engine()
    given = {"text": "x" * size, "names": [{"arguments": "[" * 300}]}
    sent, raised, _ = await told(direct(app, app, [USUAL]), json.dumps(given).encode(), path=USUAL)
    assert (sent[0]["status"], raised) == (400, "")
    assert b"brackets more than 200 deep" in sent[1]["body"]


async def test_what_is_small_is_looked_at_where_it_is() -> None:
    seen.clear()
    app = engine()
    await told(direct(app, app, [USUAL]), names(1), path=USUAL)
    await told(direct(app, app, [USUAL]), names(1), path="/one")
    assert {thread for _, thread in seen} == {threading.get_ident()}
