from __future__ import annotations

import json
import re
from typing import Any

import pytest
from handrail_container.http import envelope
from handrail_container.http.envelope import (
    MAX_BYTES,
    Failure,
    error_body,
    error_event,
    error_response,
    kind_of,
    request_id_of,
    to_json,
)
from hypothesis import example, given
from hypothesis import strategies as st

#: Surrogates too: Python puts them into the names of files that are not UTF-8.
texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=50) | st.builds(
    lambda text, times: text * times, st.text(min_size=1, max_size=8), st.integers(0, 3000)
)
details = st.none() | st.recursive(texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=5)


@pytest.mark.parametrize("given_id", ["a-b_c.d:e/f=1", "~" * 256, "!#$%&()*+,-./0"])
def test_an_id_of_visible_characters_is_kept(given_id: str) -> None:
    assert request_id_of({b"x-request-id": given_id.encode()}) == given_id


@pytest.mark.parametrize("given_id", ["a GET /admin 200 request_id=b", 'a"b', "a'b", "a`b", "a\tb", "é", "", "x" * 257])
def test_any_other_is_replaced(given_id: str) -> None:
    """It would begin a word of the log of its own."""
    assert re.fullmatch("[0-9a-f]{32}", request_id_of({b"x-request-id": given_id.encode()}))


def error_of(failure: Failure, request_id: str = "id") -> dict[str, Any]:
    error: dict[str, Any] = json.loads(error_body(failure, request_id))["error"]
    return error


@given(texts, details, st.integers(400, 599), texts)
@example("x" * 5000, None, 500, "y" * 5000)
@example('"' * 5000, {"a": "b"}, 500, "\\" * 300)
def test_a_body_is_json_within_the_limit(message: str, detail: Any, status: int, request_id: str) -> None:
    """Whatever the message, the detail and the id are: SageMaker cuts what is longer."""
    body = error_body(Failure(status, message, detail=detail), request_id)
    assert len(body) <= MAX_BYTES
    error = json.loads(body)["error"]
    assert error["code"] == status
    assert {"message", "type", "code", "request_id"} <= error.keys() <= {*error.keys(), "detail"}


def test_a_short_error_is_said_in_full() -> None:
    """Message, type, code, request id, and the handler's detail."""
    failure = Failure(409, "no", detail={"why": ["a"]})
    assert error_of(failure, "abc") == {
        "message": "no",
        "type": "conflict",
        "code": 409,
        "request_id": "abc",
        "detail": {"why": ["a"]},
    }


def test_a_long_message_is_cut_where_the_limit_is() -> None:
    """No more of it than has to be, whatever its characters weigh."""
    for letter in "aé€😀":
        body = error_body(Failure(500, letter * 3000), "id")
        assert MAX_BYTES - 40 < len(body) <= MAX_BYTES
        message = json.loads(body)["error"]["message"]
        assert message.endswith("…")
        assert set(message) == {letter, "…"}


def test_a_message_of_megabytes_is_not_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty times over, on the event loop: only what may be left of it is."""
    encoded: list[int] = []
    monkeypatch.setattr(envelope, "to_json", lambda value: encoded.append(len(str(value))) or to_json(value))
    assert len(error_body(Failure(500, "😀" * 5_000_000), "id")) <= MAX_BYTES
    assert max(encoded) < 2 * MAX_BYTES


def test_a_detail_that_does_not_fit_is_left_out() -> None:
    """The message stays whole."""
    error = error_of(Failure(400, "see the detail", detail="d" * MAX_BYTES))
    assert error["message"] == "see the detail"
    assert "detail" not in error


@pytest.mark.parametrize(("status", "kind"), [(400, "bad_request"), (413, "content_too_large"), (499, "error")])
def test_the_type_is_the_status_s_own_name(status: int, kind: str) -> None:
    """Where the error has no better one."""
    assert kind_of(status) == error_of(Failure(status, "m"))["type"] == kind
    assert error_of(Failure(status, "m", "loading"))["type"] == "loading"


def test_a_response_carries_status_headers_and_media_type() -> None:
    """What the envelope is wrapped in."""
    response = error_response(Failure(503, "m", headers={"Retry-After": "5"}), "id")
    assert response.status_code == 503
    assert (response.headers["retry-after"], response.headers["content-type"]) == ("5", "application/json")


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_that_allows_no_body_has_none(status: int) -> None:
    """A body would be read as the beginning of the next answer on the connection."""
    response = error_response(Failure(status, "m", headers={"ETag": "1"}), "id")
    assert response.body == b""
    assert "content-length" not in response.headers
    assert response.headers["etag"] == "1"


def test_an_event_ends_a_stream_with_the_same_body() -> None:
    """One server-sent event called `error`."""
    assert error_event(b"{}") == b"event: error\ndata: {}\n\n"
