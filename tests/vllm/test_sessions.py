"""Sessions on a real vLLM, and where each case of vLLM's own SageMaker suite is here.

| case of the suite                     | here                                                              |
|---------------------------------------|-------------------------------------------------------------------|
| create_session_badrequest             | `test_a_request_about_a_session_has_nothing_else`                 |
| close_session_badrequest, unknown id  | `test_one_that_is_not_there_is_400`                               |
| close_session_badrequest, malformed   | `test_a_request_about_a_session_has_nothing_else`                 |
| close_session_invalidrequest          | `test_closing_none_is_424`                                        |
| session                               | `test_one_is_opened_used_and_closed`                              |
| load_adapter_happy_path               | `test_adapters.py`, `test_the_lists_have_it_while_it_is_loaded`   |
| unload_adapter_happy_path             | the same                                                          |
| load_adapter_not_found                | `test_adapters.py`, `test_what_is_not_there_is_404`               |
| load_adapter_invalid_files            | `test_adapters.py`, `test_what_cannot_be_read_is_500`             |
| unload_nonexistent_adapter            | `test_adapters.py`, `test_what_is_not_there_is_404`               |
| invocations_with_adapter              | `test_adapters.py`, `test_a_prompt_is_completed_by_it`            |
| multiple_adapters_load_unload         | `test_adapters.py`, `test_several_adapters_at_once`               |
| of overrides and middleware, all ten  | the rows of `tests/compat/scenarios` whose `mirrors` names them   |
| import_does_not_change_handler_level  | `tests/handlers`, `test_the_root_logger_is_left_alone`            |
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from trained import ARR, PING, PIRATE, answer_to, user

pytestmark = pytest.mark.vllm

HEADER = "X-Amzn-SageMaker-Session-Id"
ADAPTER = "X-Amzn-SageMaker-Adapter-Identifier"
OPENED = "X-Amzn-SageMaker-New-Session-Id"
CLOSED = "X-Amzn-SageMaker-Closed-Session-Id"
NEW, CLOSE = {"requestType": "NEW_SESSION"}, {"requestType": "CLOSE"}
CHAT = {"messages": [user(PING)], "temperature": 0}


def ask(http: httpx.Client, body: Any, session: str | None = None, **headers: str) -> httpx.Response:
    named = {HEADER: session} if session else {}
    return http.post("/invocations", json=body, headers={**headers, **named})


def said(answer: httpx.Response) -> str:
    return str(answer.raise_for_status().json()["choices"][0]["message"]["content"])


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


@contextmanager
def opened(http: httpx.Client) -> Iterator[str]:
    """A session's id. It is still there in the end."""
    session, _, expires = ask(http, NEW).raise_for_status().headers[OPENED].partition(";")
    assert expires.startswith(" Expires=")
    yield session
    closed = ask(http, CLOSE, session).raise_for_status()
    assert (closed.headers[CLOSED], closed.text) == (session, f"Session {session} closed")


def test_one_is_opened_used_and_closed(http: httpx.Client) -> None:
    """By a completion, with what clients send that vLLM does not need, and by a stream; then it is no more."""
    base = http.get("/v1/models").json()["data"][0]["id"]
    prompt = {"model": base, "prompt": PING, "max_completion_tokens": 5, "temperature": 0.0, "logprobs": False}
    with opened(http) as session:
        completed = ask(http, prompt, session).raise_for_status().json()
        assert (completed["object"], completed["model"]) == ("text_completion", base)
        assert ask(http, {**CHAT, "stream": True}, session).text.endswith("data: [DONE]\n\n")
    assert refusal(ask(http, CHAT, session)) == (400, f"Bad request: session not found: {session}")


def test_one_begins_with_its_first_request(http: httpx.Client) -> None:
    """The header alone, as SageMaker's API has it; none begins where vLLM refuses the request."""
    first = ask(http, CHAT, "NEW_SESSION")
    assert said(first) == answer_to(PING)
    session = first.headers[OPENED].partition(";")[0]
    assert said(ask(http, CHAT, session)) == answer_to(PING)
    ask(http, CLOSE, session).raise_for_status()
    refused = ask(http, {**CHAT, "max_tokens": -1}, "NEW_SESSION")
    assert (refused.status_code, OPENED in refused.headers) == (400, False)


@pytest.mark.parametrize("body", [NEW, CLOSE])
def test_a_request_about_a_session_has_nothing_else(http: httpx.Client, body: dict[str, str]) -> None:
    """And does nothing to the one it names."""
    with opened(http) as session:
        status, message = refusal(ask(http, {**body, "extra-field": "extra-field-data"}, session))
        assert (status, "a request about a session is" in message) == (400, True)


@pytest.mark.parametrize("body", [CLOSE, CHAT])
def test_one_that_is_not_there_is_400(http: httpx.Client, body: dict[str, Any]) -> None:
    with opened(http):
        refused = refusal(ask(http, body, "nonexistent-session-id"))
    assert refused == (400, "Bad request: session not found: nonexistent-session-id")


def test_closing_none_is_424(http: httpx.Client) -> None:
    with opened(http):
        assert refusal(ask(http, CLOSE)) == (424, "Failed to close session: invalid session_id: None")


def test_sessions_and_adapters_go_together(http: httpx.Client) -> None:
    http.post("/adapters", json={"name": "pirate", "src": str(PIRATE)}).raise_for_status()
    with opened(http) as session:
        assert said(ask(http, CHAT, session, **{ADAPTER: "pirate"})) == ARR
        assert said(ask(http, CHAT, session)) == answer_to(PING)
    http.delete("/adapters/pirate").raise_for_status()


def test_what_the_aws_container_trips_over(http: httpx.Client, sessions: Path) -> None:
    """A file that is no session's, a session that has expired, and a body that is no object."""
    (sessions / "stray").write_text("")
    with opened(http) as session:
        assert refusal(ask(http, [CHAT], session))[0] == 400
    expired = ask(http, NEW).headers[OPENED].partition(";")[0]
    (sessions / expired / ".session").write_text('{"created": 0, "expires": 1}')
    assert refusal(ask(http, CHAT, expired)) == (400, f"Bad request: session not found: {expired}")
