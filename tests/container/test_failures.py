from __future__ import annotations

import http.client
import json
import uuid
from typing import Any

import httpx
import pytest
from handrail.core.calling import adapt
from handrail.core.slots import Slot
from handrail_container.http.answer import AnswerCut
from handrail_container.http.envelope import Failure
from handrail_container.http.explain import explain_handler, explain_ours
from handrail_container.settings.fields import Settings
from starlette.exceptions import HTTPException

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served

SCRIPT = SCRIPTS / "does_as_told.py"


@pytest.fixture(scope="module")
def told(serving: Launch) -> Served:
    return serving("does_as_told.py")


def tell(served: Served, do: str, **headers: str) -> httpx.Response:
    return served.http.post("/invocations", json={"do": do}, headers=headers)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.content) <= 2048
    error: dict[str, Any] = answer.json()["error"]
    assert (error["code"], error["request_id"]) == (answer.status_code, answer.headers["x-request-id"])
    return error


def line_of(text: str) -> str:
    """`file:line` of the line of the script that has `text`."""
    lines = SCRIPT.read_text().splitlines()
    return f"{SCRIPT}:{1 + next(number for number, line in enumerate(lines) if text in line)}"


def test_an_http_exception_keeps_its_status_and_its_text(told: Served) -> None:
    """A string detail is the message."""
    error = error_of(answer := tell(told, "raise_text"))
    assert answer.status_code == 418
    assert error["message"] == "short and stout"
    assert "detail" not in error


def test_an_http_exception_keeps_its_detail_and_its_headers(told: Served) -> None:
    """Any other detail is `error.detail`, and the message is its text."""
    error = error_of(answer := tell(told, "raise_detail"))
    assert (answer.status_code, error["type"]) == (409, "conflict")
    assert error["detail"] == {"conflict": ["a", "b"]}
    assert json.loads(error["message"]) == error["detail"]
    assert answer.headers["x-why"] == "because"


def test_a_detail_that_json_cannot_say_does_not_break_the_answer(told: Served) -> None:
    """What JSON has no word for is left out."""
    assert error_of(answer := tell(told, "raise_odd_detail"))["code"] == answer.status_code == 400


def test_a_status_without_a_body_leaves_the_connection_good(told: Served) -> None:
    """304 and its headers, then the next request on the same connection."""
    answer = tell(told, "raise_no_content")
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", "1")
    assert tell(told, "answer").json() == {"told": {"do": "answer"}}


def test_any_other_exception_is_a_500_that_names_it_and_its_line(told: Served) -> None:
    """Type, message, `file:line` in the user's code and the request id; the traceback is in the log."""
    request_id = uuid.uuid4().hex
    error = error_of(answer := tell(told, "raise_error", **{"X-Request-Id": request_id}))
    where = line_of("the line that a 500 names")
    assert (answer.status_code, error["type"]) == (500, "handler_error")
    assert error["message"] == f"told raised Broken: it broke ({where})"
    told.says(f"told raised Broken at {where}, request_id={request_id}")
    report = told.stderr.partition(f"request_id={request_id}")[2].partition("Broken: it broke")[0]
    assert "Traceback (most recent call last)" in report
    files = [line.split('"')[1] for line in report.splitlines() if line.strip().startswith("File ")]
    assert files[0] == str(SCRIPT)
    assert not [file for file in files if "handrail_container" in file]


def test_a_handler_s_own_exception_can_be_kept_from_the_client(serving: Launch) -> None:
    """HANDRAIL_ERROR_DETAIL=none leaves the request id; the log has the rest, and an HTTPException stays as it is."""
    served = serving("does_as_told.py", HANDRAIL_ERROR_DETAIL="none")
    error = error_of(answer := tell(served, "raise_error"))
    assert answer.status_code == 500
    assert not [word for word in ("Broken", "it broke", "told", SCRIPT.name) if word in error["message"]]
    served.says(f"request_id={error['request_id']}")
    assert "Broken: it broke" in served.stderr
    assert tell(served, "raise_text").json()["error"]["message"] == "short and stout"


@pytest.mark.parametrize("do", ["raise_long", "raise_surrogate"])
def test_any_message_fits_the_envelope(told: Served, do: str) -> None:
    """Cut where it is long, and without what UTF-8 cannot say."""
    assert error_of(tell(told, do))["message"].startswith("told raised Broken: ")


def test_a_cancellation_of_the_handler_s_own_is_its_failure(told: Served) -> None:
    """It awaited a task that it had cancelled; nobody cancelled the request."""
    error = error_of(answer := tell(told, "await_cancelled"))
    assert (answer.status_code, error["type"]) == (500, "handler_error")
    assert "CancelledError" in error["message"]
    assert "Exception in ASGI application" not in told.stderr


def test_what_cannot_be_said_in_json_is_the_handler_s_failure(told: Served) -> None:
    """A NaN in its answer."""
    error = error_of(answer := tell(told, "unserializable"))
    assert (answer.status_code, error["type"]) == (500, "handler_error")
    assert "ValueError" in error["message"]


NO_JSON = {"cut": b"{", "words": b"no sense", "latin": b"\xff\xe9", "long": b"9" * 5000, "deep": b"[" * 200_000}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize("script", ["does_as_told.py", "pydantic_body.py", None])
def test_a_body_that_is_not_json_is_400_wherever_json_is_wanted(
    serving: Launch, script: str | None, body: bytes
) -> None:
    """In `await request.json()`, where FastAPI reads it, and in the default."""
    headers = {"Content-Type": "application/json"}
    answer = serving(script).http.post("/invocations", content=body, headers=headers)
    assert (answer.status_code, error_of(answer)["type"]) == (400, "bad_request")


@pytest.mark.parametrize("script", ["does_as_told.py", None])
def test_no_body_at_all_is_400_where_json_is_wanted(serving: Launch, script: str | None) -> None:
    """Nothing is not JSON either."""
    assert serving(script).http.post("/invocations").status_code == 400


BODIES = {
    "pydantic_body.py": {"prompt": "a"},
    "two_bodies.py": {"ask": {"question": "a"}},
    "typed_stream.py": {"to": 1},
    "dict_body.py": {"prompt": "a"},
}


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("script", BODIES)
def test_a_body_that_is_not_said_to_be_json_is_told_the_header(
    serving: Launch, script: str, content_type: str | None
) -> None:
    """Whatever the handler's models make of it; a body that is JSON, and wrong, hears nothing of headers."""
    http, body = serving(script).http, json.dumps(BODIES[script]).encode()
    headers = {"Content-Type": content_type} if content_type else {}
    answer = http.post("/invocations", content=body, headers=headers)
    assert answer.status_code == 422
    assert error_of(answer)["message"].endswith(" The body was not read as JSON: send 'Content-Type: application/json'")
    assert http.post("/invocations", json=BODIES[script]).status_code == 200
    assert "Content-Type" not in error_of(http.post("/invocations", json=[]))["message"]


def test_the_message_says_where_the_json_is_wrong(told: Served) -> None:
    """As Python's parser puts it."""
    answer = told.http.post("/invocations", content=b'{"do" 1}')
    assert answer.json()["error"]["message"].startswith("the body is not JSON: ")
    assert "column 7" in answer.json()["error"]["message"]


def test_bad_json_of_the_handler_s_own_is_its_failure(told: Served) -> None:
    """A JSONDecodeError that did not come from reading the body is a 500 like any other."""
    error = error_of(answer := tell(told, "decode"))
    assert answer.status_code == 500
    assert "JSONDecodeError" in error["message"]


def test_a_body_that_fails_the_handler_s_model_is_422(serving: Launch) -> None:
    """Each problem with the field it is about."""
    answer = serving("pydantic_body.py").http.post("/invocations", json={"max_tokens": 0})
    error = error_of(answer)
    assert (answer.status_code, error["type"]) == (422, "validation_error")
    assert "body.prompt: Field required" in error["message"]
    assert "body.max_tokens: " in error["message"]


def stream(served: Served, do: str) -> tuple[str, httpx.RemoteProtocolError | None]:
    """What of a streamed answer came through, and how it was cut."""
    text = ""
    with served.http.stream("POST", "/invocations", json={"do": do}) as answer:
        assert answer.status_code == 200
        try:
            for piece in answer.iter_text():
                text += piece
        except httpx.RemoteProtocolError as cut:
            return text, cut
    return text, None


@pytest.mark.parametrize(("do", "first"), [("events_fail", 'data: {"token":1}'), ("own_events_fail", "data: 1")])
def test_an_event_stream_that_fails_midway_ends_in_an_error_event(told: Served, do: str, first: str) -> None:
    """The envelope as `event: error`, no [DONE], and a proper end of the body."""
    text, cut = stream(told, do)
    assert cut is None
    assert "[DONE]" not in text
    begun, event, rest = text.split("\n\n")
    assert (begun, rest) == (first, "")
    name, _, data = event.partition("\n")
    error = json.loads(data.removeprefix("data: "))["error"]
    assert name == "event: error"
    assert (error["code"], error["type"]) == (500, "handler_error")
    assert "raised Broken: midway" in error["message"]


def test_a_stream_of_text_that_fails_midway_is_cut(told: Served) -> None:
    """Without its last chunk, so that no client takes it for whole."""
    text, cut = stream(told, "text_fails")
    assert text == "the beginning"
    assert cut is not None
    assert "incomplete" in str(cut)
    assert "ASGI callable" not in told.stderr


def test_a_stream_that_fails_before_its_first_item_has_its_status(told: Served) -> None:
    """The status line has not gone out."""
    assert error_of(answer := tell(told, "first_item_fails"))["message"] == "before the first item"
    assert answer.status_code == 402


@pytest.mark.parametrize("do", ["background_fails", "background_of_a_stream_fails"])
def test_what_fails_after_the_answer_is_logged_and_the_answer_is_whole(told: Served, do: str) -> None:
    """A background task comes after the last byte."""
    request_id = uuid.uuid4().hex
    answer = tell(told, do, **{"X-Request-Id": request_id})
    assert answer.status_code == 200
    assert "error" not in answer.text
    told.says(f"request_id={request_id}")
    assert "Exception in ASGI application" not in told.stderr


def test_a_cut_stream_closes_the_connection(told: Served) -> None:
    """There is no way back into step on it."""
    connection = http.client.HTTPConnection("127.0.0.1", told.port, timeout=30)
    connection.request("POST", "/invocations", body=json.dumps({"do": "text_fails"}))
    with pytest.raises(http.client.IncompleteRead) as cut:
        connection.getresponse().read()
    connection.close()
    assert cut.value.partial == b"the beginning"


def test_no_memory_for_a_body_is_not_its_clients_fault() -> None:
    """FastAPI says 400 of whatever is raised while it parses."""
    refused = HTTPException(400, "There was an error parsing the body")
    refused.__cause__ = MemoryError()
    assert explain_ours(refused, "an-id").status == 503
    refused.__cause__ = ValueError()
    assert explain_ours(refused, "an-id").status == 400


@pytest.mark.parametrize(("text", "status"), [("\ud800", 400), ("a file named \udcff", 500)])
def test_half_a_character_that_a_handler_cannot_send_is_its_client_s(text: str, status: int) -> None:
    """But those that Python makes of a file's name are not."""

    def handler(request: object) -> None:
        """Encodes what it was sent."""

    with pytest.raises(UnicodeEncodeError) as raised:
        text.encode()
    explain = explain_handler(adapt(handler, Slot.INVOCATION), Settings())
    assert explain(raised.value, "id").status == status


def test_an_answer_that_was_cut_is_its_own_failure() -> None:
    """Its cause has been logged where it was cut."""
    failure = Failure(500, "the stream failed", "handler_error")
    assert explain_ours(AnswerCut(failure), "an-id") == failure
