"""SageMaker's sticky sessions: the clients' requests, and the decorators for scripts that handle them.

A client opens a session with the body `{"requestType": "NEW_SESSION"}`, names it in a header from then on, and ends it
with `{"requestType": "CLOSE"}`. The server keeps the sessions, unless the script registers functions that open and
close sessions of its engine.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from handrail.aws import adapter_header
from handrail.core.answers import to_response
from handrail.core.calling import Handler, on_loop
from handrail.core.errors import Ambiguous, HandlerFault
from handrail.core.marks import Mark, mark
from handrail.core.signature import Signature
from handrail.core.slots import SessionStep, Slot
from handrail.core.tracebacks import definition, signature_text

HEADER = "X-Amzn-SageMaker-Session-Id"
OPENED_HEADER = "X-Amzn-SageMaker-New-Session-Id"
CLOSED_HEADER = "X-Amzn-SageMaker-Closed-Session-Id"

#: Key in a request's state: the server has handled its session already.
LOOKED_AT = "has_sessions"

_DISABLED = "Invalid payload. stateful sessions not enabled"
_KEY = "requestType"
#: Bytes of a body that may be a request about a session. Such a request has one key; a longer body is a handler's, and
#: parsing it a second time would block the event loop.
LONGEST_REQUEST = 65536
#: A step of a path: a bare name, or one in quotes.
_STEP = r'"[^"]+"|[\w-]+'

Call = Callable[..., Any]


class SessionRequest(StrEnum):
    """Values of `requestType`. OPEN is also the header's value of a client that wants a new session."""

    OPEN = "NEW_SESSION"
    CLOSE = "CLOSE"


def session_request(body: bytes) -> SessionRequest | None:
    """The session operation that a body requests; None if the body is for a handler.

    A handler's body may have a `requestType`, too: only the two values mean sessions. Raises HTTPException for one of
    these with further keys, or for a body with nothing but an unknown `requestType`.
    """
    may_be_one = len(body) <= LONGEST_REQUEST and f'"{_KEY}"'.encode() in body
    given = _object(body) if may_be_one else {}
    if _KEY not in given:
        return None
    kind = given[_KEY]
    is_known = kind in list(SessionRequest)
    if is_known and len(given) == 1:
        return SessionRequest(kind)
    if is_known or len(given) == 1:
        opens, closes = (f'{{"{_KEY}": "{request}"}}' for request in SessionRequest)
        raise HTTPException(400, f"a request about a session is {opens} or {closes}, no more")
    return None


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):  # the handler reports it
        return {}
    return given if isinstance(given, dict) else {}


def refuse_without_sessions(asked: SessionRequest | None, header: str | None) -> None:
    """Raises HTTPException if a client uses sessions, in its body or in the header, and they are off."""
    if asked is not None:
        raise HTTPException(400, _DISABLED)
    if header:
        raise HTTPException(400, f"{_DISABLED}, {HEADER} header not supported")


def stateful_session_manager(engine_request_session_id_path: Any = None) -> Any:
    """A decorator for a function that takes the request: writes the session's id to that path of the JSON body.

    Dots name nested objects; without a path the body is unchanged. If sessions are off, a request with one is refused.
    """
    given = engine_request_session_id_path
    return _managed(given, None) if callable(given) else lambda function: _managed(function, given)


def _managed(function: Call, path: str | None) -> Call:
    call = on_loop(function)

    @functools.wraps(function)
    async def managed(*args: Any, **kwargs: Any) -> Any:
        request: Any = next((value for value in (*args, *kwargs.values()) if isinstance(value, Request)), None)
        if request is not None:
            header = request.headers.get(HEADER)
            if not request.scope.get("state", {}).get(LOOKED_AT):
                refuse_without_sessions(session_request(await request.body()), header)
            if path and header:
                await adapter_header.put(request, path, header)
        return await call(*args, **kwargs)

    return managed


def register_create_session_handler(
    engine_response_session_id_path: str, engine_request_model_cls: type[BaseModel] | None = None
) -> Callable[[Call], Call]:
    """Mark the function that opens a session: `f(request)`, or `f(body, request)` with a model of the body.

    The path locates the session's id in the function's answer: `body.session_id`, or `headers."X-Session"`. Raises
    ValueError if it is not a path.
    """
    steps = _steps(engine_response_session_id_path)

    def decorate(function: Call) -> Call:
        call = on_loop(function)

        @functools.wraps(function)
        async def opening(request: Request) -> Response:
            response = await _called(call, engine_request_model_cls, {}, request)
            if response.status_code != 200:
                return response
            session_id = _found(response, steps)
            if not session_id:
                raise HTTPException(500, "Session ID not found in response")
            headers = {OPENED_HEADER: str(session_id)}
            return PlainTextResponse(f"Successfully created session: {session_id}", headers=headers)

        return mark(SessionStep.CREATE, opening)

    return decorate


def register_close_session_handler(
    engine_request_session_id_path: str, engine_request_model_cls: type[BaseModel] | None = None
) -> Callable[[Call], Call]:
    """Mark the function that closes a session; the session's id is put at that path of its body, `body.session_id`."""
    steps = _steps(engine_request_session_id_path)

    def decorate(function: Call) -> Call:
        call = on_loop(function)

        @functools.wraps(function)
        async def closing(request: Request) -> Response:
            session_id = request.headers.get(HEADER)
            if not session_id:
                raise HTTPException(400, "Session ID is required in request headers to close a session")
            response = await _called(call, engine_request_model_cls, _nested(steps, session_id), request)
            if response.status_code != 200:
                return response
            headers = {CLOSED_HEADER: session_id}
            return PlainTextResponse(f"Successfully closed session: {session_id}", headers=headers)

        return mark(SessionStep.CLOSE, closing)

    return decorate


def find(marks: Sequence[Mark]) -> tuple[dict[SessionStep, Handler], list[HandlerFault]]:
    """The functions among a script's marks that open and close sessions of its engine, and their faults."""
    marked = {step: [mark.function for mark in marks if mark.role is step] for step in SessionStep}
    faults: list[HandlerFault] = [
        Ambiguous(f"@{step.decorator} marks {' and '.join(map(definition, functions))}: keep one.")
        for step, functions in marked.items()
        if len(functions) > 1
    ]
    return {step: handler_of(functions[-1]) for step, functions in marked.items() if functions}, faults


def handler_of(function: Call) -> Handler:
    """A function registered for a session step, as a Handler."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await function(Request(scope, receive))
        await response(scope, receive, send)

    name = getattr(function, "__name__", type(function).__name__)
    return Handler(function, Signature(name, definition(function), signature_text(function) or name, ()), app)


async def _called(call: Call, model: type[BaseModel] | None, given: dict[str, Any], request: Any) -> Response:
    """Call the user's function with the body for its engine; returns its answer as a response. Raises HTTPException."""
    body = given.get("body")
    if body:
        request._body, request._json = json.dumps(body).encode(), body
    if model is None:
        return await to_response(await call(request), Slot.INVOCATION)
    try:
        parsed = model.model_validate(body or {})
    except ValidationError as error:
        raise HTTPException(424, error.json(include_url=False)) from None
    return await to_response(await call(parsed, request), Slot.INVOCATION)


def _steps(path: str) -> list[str]:
    """The names in a path. Raises ValueError."""
    if not isinstance(path, str) or not re.fullmatch(rf"(?:{_STEP})(?:\.(?:{_STEP}))*", path):
        raise ValueError(f"{path!r} is no path to the session's id: write one such as 'body.session_id'")
    return [step.strip('"') for step in re.findall(_STEP, path)]


def _nested(steps: list[str], value: str) -> dict[str, Any]:
    nested: Any = value
    for step in reversed(steps):
        nested = {step: nested}
    found: dict[str, Any] = nested
    return found


def _found(response: Response, steps: list[str]) -> Any:
    """The value at a path of a response, in its `body`, `headers` or `status_code`; None if there is none."""
    body = getattr(response, "body", b"")
    found: Any = {"body": _object(body), "headers": response.headers, "status_code": response.status_code}
    for step in steps:
        found = found.get(step) if hasattr(found, "get") else None
    return found
