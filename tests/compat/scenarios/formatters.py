"""Pre- and post-processing: what a formatter may do to a request and to a response."""

from __future__ import annotations

from typing import Any

from tests.compat.table import UNSAID, Exchange, Scenario, get, invoke, script, serves

FORMATTERS = """
import asyncio
import json
from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from model_hosting_container_standards.common.fastapi.middleware import input_formatter, output_formatter
from model_hosting_container_standards.sagemaker import custom_invocation_handler

async def case_of(request):
    if request.method == "POST":
        return (await request.json()).get("pre")
    return request.query_params.get("pre")

@input_formatter
async def before(request: Request):
    case = await case_of(request)
    if case == "refuses":
        raise HTTPException(400, "Prompt is required")
    if case == "breaks":
        raise ValueError("the tokenizer is gone")
    if case == "is slow":
        await asyncio.sleep(2.5)
    if case == "answers":
        return JSONResponse({"by": "before"}, 403)
    if case == "rewrites":
        request._body = json.dumps({"prompt": "another and a longer one"}).encode()
    if case == "notes":
        request.state.tenant = "mine"
    return None if case == "returns nothing" else request

@output_formatter
async def after(response):
    case = response.headers.get("X-Post")
    response.headers["X-After"] = "ran"
    response.headers["X-Has"] = ",".join(name for name in ("body", "body_iterator") if hasattr(response, name))
    if case == "edits" and hasattr(response, "body"):
        data = json.loads(response.body)
        response.body = json.dumps({**data, "metadata": {"edited": True}}).encode()
    if case == "replaces":
        return JSONResponse({"by": "after"}, 201)
    if case == "refuses":
        raise HTTPException(502, "not fit to be seen")
    if case == "breaks":
        raise ValueError("the tokenizer is gone")
    if case == "rewrites":
        pieces = response.body_iterator
        async def louder():
            async for piece in pieces:
                yield piece.upper()
        response.body_iterator = louder()
    return None if case == "returns nothing" else response

@custom_invocation_handler
async def invoke(request: Request):
    asked = await request.json()
    if asked.get("handler") == "refuses":
        raise HTTPException(404, "no such thing")
    if asked.get("handler") == "breaks":
        raise KeyError("prompt")
    headers = {"X-Post": asked.get("post", "")}
    if asked.get("handler") == "streams":
        async def pieces():
            yield b"one "
            yield b"two"
        return StreamingResponse(pieces(), headers=headers, media_type="text/plain")
    tenant = getattr(request.state, "tenant", None)
    return JSONResponse({"prompt": asked.get("prompt"), "tenant": tenant}, headers=headers)
"""

PLAIN_FUNCTIONS = """
from model_hosting_container_standards.common.fastapi.middleware import input_formatter, output_formatter

@input_formatter
def before(request):
    return request

@output_formatter
def after(response):
    response.headers["X-After"] = "ran"
    return response
"""

AFTER = {"X-After": "ran"}
MIRRORS = "AWS library: formatters of the script, around /ping and /invocations"
GUIDE = "AWS container guide on pre- and post-processing: "
HIDES = "Internal server error in combined_pre_post_process middleware"

NO_BODY = (
    "The guide's edit of `response.body` never happens: every response, the engine's too, reaches the post-processor "
    "as a stream without `.body`."
)


def asked(status: int, /, json: Any = UNSAID, *, sent: dict[str, str], **expected: Any) -> Exchange:
    return invoke(status, json, sent={"prompt": "Hello", **sent}, **expected)


def row(
    name: str,
    ours: Exchange,
    theirs: Exchange | None = None,
    *,
    mirrors: str = MIRRORS,
    reason: str = "",
    fails: str = "",
) -> Scenario:
    return Scenario(
        name,
        mirrors=mirrors,
        files=script(FORMATTERS),
        ours=serves(ours),
        theirs=None if theirs is None else serves(theirs),
        reason=reason,
        fails=fails,
    )


SCENARIOS = (
    row(
        "a pre-processor refuses with HTTPException(400)",
        asked(400, {"error": {"message": "Prompt is required"}}, sent={"pre": "refuses"}),
        asked(500, {"error": HIDES}, sent={"pre": "refuses"}),
        mirrors=GUIDE + "validation of the input",
        fails="The guide's input validation, an `HTTPException(400)` in the pre-processor, is a 500.",
    ),
    row(
        "a pre-processor returns nothing: the request stays",
        asked(200, {"prompt": "Hello"}, sent={"pre": "returns nothing"}),
    ),
    row(
        "a pre-processor rewrites the body",
        asked(200, {"prompt": "another and a longer one"}, sent={"pre": "rewrites"}),
        mirrors=GUIDE + "a changed request",
    ),
    row(
        "a pre-processor notes something in request.state",
        asked(200, {"tenant": "mine"}, sent={"pre": "notes"}),
        mirrors="AWS suite: separate pre- and post-processing, the request's state",
    ),
    row(
        "a pre-processor answers itself",
        asked(403, {"by": "before"}, sent={"pre": "answers"}),
        asked(200, {"prompt": "Hello"}, sent={"pre": "answers"}),
        fails="A pre-processor that returns a response, to say no, is not heard: the handler runs all the same.",
    ),
    row(
        "a pre-processor that breaks",
        asked(500, sent={"pre": "breaks"}, text="before raised ValueError"),
        asked(500, {"error": HIDES}, sent={"pre": "breaks"}),
        reason="The answer says which function broke, and where.",
    ),
    row("a pre-processor runs for /ping", get("/ping?pre=notes", 200, headers=AFTER)),
    row(
        "a pre-processor that breaks at /ping",
        get("/ping?pre=breaks", 503),
        get("/ping?pre=breaks", 500, {"error": HIDES}),
        reason="What a health check cannot tell is 503: not in service.",
    ),
    row(
        "a pre-processor that is slow at /ping",
        get("/ping?pre=is%20slow", 503),
        get("/ping?pre=is%20slow", 200),
        reason="SageMaker waits two seconds for /ping; after one the answer is no.",
    ),
    row("a post-processor adds a header", asked(200, {"prompt": "Hello"}, sent={}, headers=AFTER)),
    row(
        "a post-processor edits the body of a custom handler's answer",
        asked(200, {"prompt": "Hello", "metadata": {"edited": True}}, sent={"post": "edits"}),
        asked(200, {"prompt": "Hello"}, sent={"post": "edits"}, without="metadata"),
        mirrors=GUIDE + "metadata added to the answer",
        fails=NO_BODY,
    ),
    row(
        "a response of one piece has a body and an iterator",
        asked(200, sent={}, headers={"X-Has": "body,body_iterator"}),
        asked(200, sent={}, headers={"X-Has": "body_iterator"}),
        fails=NO_BODY,
    ),
    row(
        "a stream has an iterator alone, and stays a stream",
        asked(200, sent={"handler": "streams"}, text="one two", headers={"X-Has": "body_iterator", **AFTER}),
    ),
    row(
        "a post-processor rewrites a stream's pieces",
        asked(200, sent={"handler": "streams", "post": "rewrites"}, text="ONE TWO"),
    ),
    row(
        "a post-processor rewrites the pieces of a response of one piece",
        asked(200, sent={"post": "rewrites"}, text="HELLO"),
    ),
    row(
        "a post-processor returns nothing: the response stays",
        asked(200, sent={"post": "returns nothing"}, headers=AFTER),
    ),
    row("a post-processor returns another response", asked(201, {"by": "after"}, sent={"post": "replaces"})),
    row(
        "a post-processor raises HTTPException",
        asked(502, {"error": {"message": "not fit to be seen"}}, sent={"post": "refuses"}),
        asked(500, {"error": HIDES}, sent={"post": "refuses"}),
        reason="As in a pre-processor: the status that was meant.",
    ),
    row(
        "a post-processor that breaks",
        asked(500, sent={"post": "breaks"}, text="after raised ValueError"),
        asked(500, {"error": HIDES}, sent={"post": "breaks"}),
        reason="The answer says which function broke, and where.",
    ),
    row(
        "a post-processor sees the handler's HTTPException as a response",
        asked(404, {"error": {"message": "no such thing"}}, sent={"handler": "refuses"}, headers=AFTER),
        asked(404, {"detail": "no such thing"}, sent={"handler": "refuses"}, headers=AFTER),
        reason="The same but for the shape of the error.",
    ),
    row(
        "a handler that breaks under a post-processor",
        asked(500, {"error": {"type": "handler_error"}}, sent={"handler": "breaks"}, text="invoke raised KeyError"),
        asked(500, {"error": HIDES}, sent={"handler": "breaks"}),
        reason="The handler's fault is told as the handler's.",
    ),
    Scenario(
        "formatters that are plain functions",
        mirrors="AWS library: formatters have to be coroutine functions",
        files=script(PLAIN_FUNCTIONS),
        ours=serves(invoke(200, headers=AFTER), get("/ping", 200, headers=AFTER)),
        theirs=serves(invoke(500), get("/ping", 500)),
        reason="A `def` works wherever an `async def` does.",
    ),
)
