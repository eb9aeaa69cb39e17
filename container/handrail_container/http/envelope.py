"""The one shape of an error: `{"error": {"message", "type", "code", "request_id"}}`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.responses import Response

#: Most bytes of an error's body: SageMaker cuts a longer one.
MAX_BYTES = 2048
#: Most characters of an id that a client chose for its request; a longer one is replaced.
MAX_ID = 256
#: Bytes that an id may have: visible ASCII without quotes. A space or a quote would end the id for a reader of the log.
_OF_AN_ID = bytes({*range(0x21, 0x7F)} - {*b"\"'`"})
#: Statuses whose answers end with their headers: a body would be read as the next answer.
WITHOUT_BODY = (204, 304)
#: The source of new ids: seeded by the system, and independent of `random.seed`.
_IDS = random.Random()
#: Python 3.13 has other names for these than 3.11.
_RENAMED = {413: "content_too_large", 414: "uri_too_long", 416: "range_not_satisfiable", 422: "unprocessable_content"}


class Failure(NamedTuple):
    """The content of an error answer; `kind` defaults to the status's own name, `detail` is JSON of the handler's.

    `more` are further short keys of the error, such as `param`, the field of the body that is at fault on an OpenAI
    route.
    """

    status: int
    message: str
    kind: str | None = None
    detail: Any = None
    headers: Mapping[str, str] | None = None
    more: Mapping[str, str | int] | None = None


#: Turns an endpoint's exception into the error for the client; the text is the request id.
Explain = Callable[[BaseException, str], Failure]


def request_id_of(headers: Mapping[bytes, bytes]) -> str:
    """The client's own id if it can be echoed and logged as it is, else a new one."""
    given = headers.get(b"x-amzn-sagemaker-inference-id") or headers.get(b"x-request-id")
    if given and len(given) <= MAX_ID and not given.translate(None, _OF_AN_ID):
        return given.decode()
    return _IDS.randbytes(16).hex()


def kind_of(status: int) -> str:
    """The `type` of an error that has no better one: the status's own name, `bad_request` for 400."""
    try:
        return _RENAMED.get(status) or HTTPStatus(status).name.lower()
    except ValueError:
        return "error"


def error_body(failure: Failure, request_id: str) -> bytes:
    """At most MAX_BYTES of JSON; if they do not fit, `detail` is left out, then the message is cut."""
    status, message, kind, detail, _, more = failure
    error = {"message": message, "type": kind or kind_of(status), "code": status, "request_id": request_id[:MAX_ID]}
    error |= {name: value[:MAX_ID] if isinstance(value, str) else value for name, value in (more or {}).items()}
    if detail is not None:
        body = _encode({**error, "detail": detail})
        if len(body) <= MAX_BYTES:
            return body
    error["message"] = message = message[: MAX_BYTES + 1]  # a character is at least one byte
    body = _encode(error)
    while len(body) > MAX_BYTES:
        over = len(body) - MAX_BYTES
        message = message[: max(0, len(message) - max(over // 4, 1) - 1)]  # a character is at most four bytes
        body = _encode({**error, "message": message + "…"})
    return body


def to_json(value: Any) -> str:
    """`value` as JSON. A value that JSON does not know becomes a string; such a key is left out."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str, skipkeys=True)


def _encode(error: Mapping[str, Any]) -> bytes:
    return to_json({"error": error}).encode(errors="replace")  # a message may hold a file name that is not UTF-8


def error_response(failure: Failure, request_id: str) -> Response:
    body = None if failure.status in WITHOUT_BODY else error_body(failure, request_id)
    return Response(body, failure.status, headers=failure.headers, media_type="application/json")


def error_event(body: bytes) -> bytes:
    """The last event of a stream of server-sent events that failed."""
    return b"event: error\ndata: " + body + b"\n\n"


#: Nginx's status for a client that left; only the log has it.
LEFT = Failure(499, "the client left")
