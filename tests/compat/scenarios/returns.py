"""What a handler may return or raise. One script, which is asked for each case."""

from __future__ import annotations

from typing import Any

from tests.compat.table import UNSAID, Exchange, Scenario, get, invoke, raw, script, serves

CASES = """
import dataclasses
import datetime
import enum
from fastapi import HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from model_hosting_container_standards.sagemaker import custom_invocation_handler, custom_ping_handler
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException

class Model(BaseModel):
    text: str = "model"

@dataclasses.dataclass
class Data:
    text: str = "dataclass"

class Colour(enum.Enum):
    RED = "red"

def response():
    headers = {"X-Amzn-SageMaker-Custom-Attributes": "mine"}
    return Response(b"<ok/>", 202, headers, media_type="application/xml")

def events():
    async def pieces():
        yield b"data: 1\\n\\n"
        yield b"data: 2\\n\\n"
    return StreamingResponse(pieces(), media_type="text/event-stream")

def fails(error):
    raise error

def texts():
    yield "one "
    yield "two"

async def async_texts():
    yield "one "
    yield "two"

def objects():
    yield {"token": 1}
    yield {"token": 2}

def raw_bytes():
    yield b"\\x00"
    yield b"\\x01"

async def fails_at_first():
    raise HTTPException(409, "not yet")
    yield

CASES = {
    "dict": lambda: {"a": 1},
    "list": lambda: [1, "a"],
    "tuple": lambda: (1, 2),
    "number": lambda: 1.5,
    "str": lambda: "text",
    "None": lambda: None,
    "model": Model,
    "dataclass": Data,
    "values": lambda: {"on": datetime.date(2024, 5, 6), "is": Colour.RED, "of": {3}},
    "Response": response,
    "JSONResponse": lambda: JSONResponse({"a": 1}, 201),
    "PlainTextResponse": lambda: PlainTextResponse("plain"),
    "StreamingResponse": events,
    "texts": texts,
    "async texts": async_texts,
    "objects": objects,
    "bytes": raw_bytes,
    "fails at first": fails_at_first,
    "HTTPException": lambda: fails(HTTPException(418, "short and stout", {"X-Pot": "tea"})),
    "Starlette's HTTPException": lambda: fails(StarletteHTTPException(404, "no such thing")),
    "detail": lambda: fails(HTTPException(422, {"field": "prompt"})),
    "exception": lambda: fails(KeyError("prompt")),
    "not JSON": lambda: {"value": float("nan")},
}

@custom_invocation_handler
async def invoke(request: Request):
    return CASES[(await request.json())["case"]]()

@custom_ping_handler
async def ping(request: Request):
    answers = {"true": True, "false": False, "none": None, "text": "fine", "response": Response()}
    case = request.query_params.get("case", "none")
    if case == "sick":
        raise HTTPException(503, "no memory left")
    if case == "broken":
        raise RuntimeError("the check itself failed")
    return answers[case]
"""

GENERATOR_HANDLER = """
from model_hosting_container_standards.sagemaker import custom_invocation_handler

@custom_invocation_handler
async def invoke():
    yield {"token": 1}
    yield {"token": 2}
"""


EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
TEXT = {"content-type": "text/plain; charset=utf-8"}
TWO_EVENTS = 'data: {"token":1}\n\ndata: {"token":2}\n\ndata: [DONE]\n\n'
SERVER_ERROR = "Internal Server Error"
MIRRORS = "AWS library: FastAPI's rules for what an endpoint returns or raises"
ENVELOPE = "One shape of error everywhere; status and headers are the same."
NO_STREAMS = "A generator that a handler returns is no stream."
DIAGNOSIS = "The answer names the exception and the line in the user's code (`HANDRAIL_ERROR_DETAIL=none` hides both)."


def asked(case: str, status: int, /, json: Any = UNSAID, **expected: Any) -> Exchange:
    return invoke(status, json, sent={"case": case}, **expected)


def row(name: str, ours: Exchange, theirs: Exchange | None = None, *, reason: str = "", fails: str = "") -> Scenario:
    return Scenario(
        name,
        mirrors=MIRRORS,
        files=script(CASES),
        ours=serves(ours),
        theirs=None if theirs is None else serves(theirs),
        reason=reason,
        fails=fails,
    )


def error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}


SCENARIOS = (
    row("a dict", asked("dict", 200, {"a": 1})),
    row("a list", asked("list", 200, [1, "a"])),
    row("a tuple", asked("tuple", 200, [1, 2])),
    row("a number", asked("number", 200, 1.5)),
    row("a str is a JSON string", asked("str", 200, "text")),
    row("None is null", asked("None", 200, None)),
    row("a pydantic model", asked("model", 200, {"text": "model"})),
    row("a dataclass", asked("dataclass", 200, {"text": "dataclass"})),
    row("dates, enums and sets inside", asked("values", 200, {"on": "2024-05-06", "is": "red", "of": [3]})),
    row(
        "a Response, untouched",
        asked("Response", 202, text="<ok/>", headers={"X-Amzn-SageMaker-Custom-Attributes": "mine"}),
    ),
    row("a JSONResponse with its status", asked("JSONResponse", 201, {"a": 1})),
    row("a PlainTextResponse", asked("PlainTextResponse", 200, text="plain", headers=TEXT)),
    row("a StreamingResponse", asked("StreamingResponse", 200, text="data: 1\n\ndata: 2\n\n", headers=EVENT_STREAM)),
    row(
        "a generator of text",
        asked("texts", 200, text="one two", headers=TEXT),
        asked("texts", 200, ["one ", "two"]),
        reason=NO_STREAMS,
    ),
    row(
        "an async generator of text",
        asked("async texts", 200, text="one two", headers=TEXT),
        asked("async texts", 500, text=SERVER_ERROR),
        reason=NO_STREAMS,
    ),
    row(
        "a generator of objects is a stream of events",
        asked("objects", 200, text=TWO_EVENTS, headers=EVENT_STREAM),
        asked("objects", 200, [{"token": 1}, {"token": 2}]),
        reason=NO_STREAMS,
    ),
    row(
        "a generator of bytes",
        asked("bytes", 200, text="\0\1", headers={"content-type": "application/octet-stream"}),
        asked("bytes", 200, ["\0", "\1"]),
        reason=NO_STREAMS,
    ),
    row(
        "a generator that raises at its first item keeps the status",
        asked("fails at first", 409, error("not yet")),
        asked("fails at first", 500, text=SERVER_ERROR),
        reason=NO_STREAMS,
    ),
    Scenario(
        "a handler that is a generator itself",
        mirrors=MIRRORS,
        files=script(GENERATOR_HANDLER),
        ours=serves(invoke(200, text=TWO_EVENTS, headers=EVENT_STREAM)),
        theirs=serves(invoke(200, text='{"token": 1}', headers={"content-type": "application/jsonl"})),
        reason="Clients of this kind of server read server-sent events; FastAPI makes it lines of JSON.",
    ),
    row(
        "HTTPException keeps status and headers",
        asked("HTTPException", 418, error("short and stout"), headers={"X-Pot": "tea"}),
        asked("HTTPException", 418, {"detail": "short and stout"}, headers={"X-Pot": "tea"}),
        reason=ENVELOPE,
    ),
    row(
        "Starlette's HTTPException, too",
        asked("Starlette's HTTPException", 404, error("no such thing")),
        asked("Starlette's HTTPException", 404, {"detail": "no such thing"}),
        reason=ENVELOPE,
    ),
    row(
        "a detail that is an object",
        asked("detail", 422, {"error": {"detail": {"field": "prompt"}}}),
        asked("detail", 422, {"detail": {"field": "prompt"}}),
        reason=ENVELOPE,
    ),
    row(
        "any other exception is a 500",
        asked("exception", 500, {"error": {"type": "handler_error"}}, text="KeyError: 'prompt'"),
        asked("exception", 500, text=SERVER_ERROR),
        reason=DIAGNOSIS,
    ),
    row(
        "what JSON cannot hold is a 500",
        asked("not JSON", 500, {"error": {"type": "handler_error"}}, text="model.py"),
        asked("not JSON", 500, text=SERVER_ERROR),
        reason=DIAGNOSIS,
    ),
    row(
        "request.json() of what is not JSON",
        raw(b"{", "application/json", 400, text="the body is not JSON"),
        raw(b"{", "application/json", 500, text=SERVER_ERROR),
        reason="The client's mistake is a 400, though the handler did not look for it.",
    ),
    row("ping: True, and None", get("/ping?case=true", 200)),
    row(
        "ping: False",
        get("/ping?case=false", 503),
        get("/ping?case=false", 200, False),
        reason="A check that says no is a no.",
    ),
    row("ping: a Response", get("/ping?case=response", 200)),
    row("ping: anything else as JSON", get("/ping?case=text", 200, "fine")),
    row(
        "ping: HTTPException keeps its status",
        get("/ping?case=sick", 503, error("no memory left")),
        get("/ping?case=sick", 503, {"detail": "no memory left"}),
        reason=ENVELOPE,
    ),
    row(
        "ping: any other exception",
        get("/ping?case=broken", 503, text="RuntimeError: the check itself failed"),
        get("/ping?case=broken", 500, text=SERVER_ERROR),
        reason="A check that fails says that the model is not healthy, and why.",
    ),
)
