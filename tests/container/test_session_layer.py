"""Sessions over HTTP: SageMaker's headers and the statuses of its containers, whoever answers."""

from __future__ import annotations

import re
import resource
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, run

HEADER = "X-Amzn-SageMaker-Session-Id"
OPENED = "X-Amzn-SageMaker-New-Session-Id"
CLOSED = "X-Amzn-SageMaker-Closed-Session-Id"
NEW, CLOSE = {"requestType": "NEW_SESSION"}, {"requestType": "CLOSE"}
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
EXPIRES = r"Expires=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
CHAT = {"messages": [{"role": "user", "content": "hello"}]}
ON = "SAGEMAKER_ENABLE_STATEFUL_SESSIONS"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="module")
def served(serving: Launch, folder: Path) -> Served:
    return serving("remembers_turns.py", **{ON: "true", "SAGEMAKER_SESSIONS_PATH": str(folder)})


@pytest.fixture(scope="module")
def default(serving: Launch, folder: Path) -> Served:
    """The engine's own handler, with sessions."""
    return serving(None, **{ON: "1", "SAGEMAKER_SESSIONS_PATH": str(folder)})


def ask(served: Served, body: Any, session: str | None = None, **headers: str) -> httpx.Response:
    return served.http.post("/invocations", json=body, headers={**headers, **({HEADER: session} if session else {})})


def opened(served: Served) -> str:
    return ask(served, NEW).headers[OPENED].partition(";")[0]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


def test_a_session_is_opened_used_and_closed(served: Served, folder: Path) -> None:
    """With the headers as SageMaker reads them, to the letter."""
    answer = ask(served, NEW)
    match = re.fullmatch(f"({UUID}); {EXPIRES}", answer.headers[OPENED])
    assert match is not None
    session = match[1]
    assert (answer.status_code, answer.text) == (200, f"Session {session} created")
    ends = datetime.strptime(match[3], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert 1100 < (ends - datetime.now(UTC)).total_seconds() < 1201

    assert ask(served, {"say": "one"}, session).json()["turns"] == ["one"]
    second = ask(served, {"say": "two"}, session).json()
    assert second == {"id": session, "turns": ["one", "two"], "expires": ends.isoformat()}
    assert (folder / session).is_dir()

    closed = ask(served, CLOSE, session)
    assert (closed.status_code, closed.text) == (200, f"Session {session} closed")
    assert closed.headers[CLOSED] == session
    assert not (folder / session).exists()
    assert refusal(ask(served, {"say": "three"}, session)) == (400, f"Bad request: session not found: {session}")
    assert refusal(ask(served, CLOSE, session)) == (400, f"Bad request: session not found: {session}")


def test_sessions_do_not_mix(served: Served) -> None:
    one, other = opened(served), opened(served)
    ask(served, {"say": "mine"}, one)
    assert ask(served, {"say": "other"}, other).json()["turns"] == ["other"]


def test_a_request_without_one_has_none(served: Served) -> None:
    """Arrays and words are bodies like others."""
    for body in ({"say": "x"}, [], ["requestType"], "requestType", {"requestType": "summary", "text": "x"}):
        assert ask(served, body).json() == {"session": None, "got": body}


def test_the_id_of_a_session_that_is_opened_is_of_no_account(served: Served) -> None:
    """An old client names the one it had."""
    assert ask(served, NEW, "gone").status_code == ask(served, NEW, "NEW_SESSION").status_code == 200


@pytest.mark.parametrize("session", ["unknown", "../..", "a/b", "%2e%2e", "a" * 300, "stray", "-a"])
def test_an_unknown_one_is_400(served: Served, folder: Path, session: str) -> None:
    """Whatever is done with it; paths and stray files are unknown, too."""
    (folder / "stray").write_text("")
    for body in ({"say": "x"}, CLOSE):
        assert refusal(ask(served, body, session)) == (400, f"Bad request: session not found: {session}")


def test_one_that_has_expired_is_400_at_once(launch: Launch, tmp_path: Path) -> None:
    """It is told from one that never was by nobody."""
    given = {ON: "true", "SAGEMAKER_SESSIONS_PATH": str(tmp_path), "SAGEMAKER_SESSIONS_EXPIRATION": "1"}
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="remembers_turns.py", **given).ready()
    session = opened(served)
    (tmp_path / session / ".session").write_text('{"created": 0, "expires": 1}')
    for body in ({"say": "x"}, CLOSE):
        assert refusal(ask(served, body, session)) == (400, f"Bad request: session not found: {session}")
    assert not (tmp_path / session).exists()


def test_it_outlives_the_server(launch: Launch, tmp_path: Path) -> None:
    """Even one that is killed."""
    given = {ON: "true", "SAGEMAKER_SESSIONS_PATH": str(tmp_path), "CUSTOM_SCRIPT_FILENAME": "remembers_turns.py"}
    first = launch(SCRIPTS, **given).ready()
    session = opened(first)
    ask(first, {"say": "one"}, session)
    first.process.kill()
    second = launch(SCRIPTS, **given).ready()
    assert ask(second, {"say": "two"}, session).json()["turns"] == ["one", "two"]


def test_closing_without_a_session_is_424(served: Served) -> None:
    assert refusal(ask(served, CLOSE)) == (424, "Failed to close session: invalid session_id: None")
    answer = ask(served, CLOSE, "NEW_SESSION")
    assert refusal(answer) == (424, "Failed to close session: session not found: NEW_SESSION")


@pytest.mark.parametrize(
    "body", [{**NEW, "x": 1}, {**CLOSE, "messages": []}, {"requestType": "OPEN"}, {"requestType": 1}]
)
def test_a_request_about_a_session_is_nothing_else(served: Served, default: Served, body: Any) -> None:
    for server in (served, default):
        status, message = refusal(ask(server, body))
        assert (status, '{"requestType": "NEW_SESSION"}' in message) == (400, True)


def test_a_client_may_begin_one_with_its_first_request(served: Served, folder: Path) -> None:
    """As SageMaker's API has it: the header alone. Where the request fails there is no session."""
    answer = ask(served, {"say": "one"}, "NEW_SESSION")
    session = answer.json()["id"]
    assert re.fullmatch(f"{session}; {EXPIRES}", answer.headers[OPENED])
    assert ask(served, {"say": "two"}, session).json()["turns"] == ["one", "two"]

    before = {path.name for path in folder.iterdir()}
    failed = ask(served, {"fail": True}, "NEW_SESSION")
    assert (failed.status_code, OPENED in failed.headers) == (418, False)
    assert {path.name for path in folder.iterdir()} == before


def test_many_requests_of_one_session_at_once(served: Served) -> None:
    """With the lock, none of them is lost."""
    session = opened(served)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ask(served, {"say": number}, session), range(40)))
    assert sorted(ask(served, {"say": 40}, session).json()["turns"]) == list(range(41))


def test_the_engines_own_handler_has_them_too(default: Served) -> None:
    """Before its answer, which knows nothing of them."""
    session = opened(default)
    assert ask(default, CHAT, session).json()["object"] == "chat.completion"
    assert refusal(ask(default, CHAT, "unknown"))[0] == 400
    assert "not JSON" in refusal(default.http.post("/invocations", content=b'{"requestType": "NEW_SES'))[1]
    assert refusal(ask(default, ["requestType"]))[1].endswith("this is a JSON array")
    assert ask(default, CLOSE, session).headers[CLOSED] == session


def test_a_full_disk_is_507(launch: Launch, tmp_path: Path) -> None:
    """For the one who opens a session, and for the handler that writes to one; the next may fare better."""
    given = {ON: "true", "SAGEMAKER_SESSIONS_PATH": str(tmp_path / "kept"), "HANDRAIL_ACCESS_LOG": "off"}
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="remembers_turns.py", **given).ready()
    session = opened(served)
    before = sorted((tmp_path / "kept").rglob("*"))
    _, hard = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (0, hard))
    for answer in (ask(served, NEW), ask(served, {"say": "x"}, session)):
        status, message = refusal(answer)
        assert (status, "the session cannot be kept: File too large" in message) == (507, True)
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert sorted((tmp_path / "kept").rglob("*")) == before
    assert ask(served, {"say": "x"}, session).json()["turns"] == ["x"]


# Where they are not switched on.


def test_without_them_the_engines_handler_refuses_them(serving: Launch) -> None:
    """As AWS's container does; another body with a `requestType` of its own is none of them."""
    served = serving(None)
    disabled = "Invalid payload. stateful sessions not enabled"
    for body in (NEW, CLOSE):
        assert refusal(ask(served, body)) == (400, disabled)
    assert refusal(ask(served, CHAT, "any")) == (400, f"{disabled}, {HEADER} header not supported")
    assert ask(served, {**CHAT, "requestType": "mine"}).status_code == 200


def test_without_them_a_handler_takes_what_it_likes(serving: Launch) -> None:
    """Until it asks for them."""
    plain, managed = serving("remembers_turns.py"), serving("managed_sessions.py")
    assert ask(plain, NEW, "any").json() == {"session": None, "got": NEW}
    assert refusal(ask(managed, NEW)) == (400, "Invalid payload. stateful sessions not enabled")
    assert refusal(ask(managed, {}, "any"))[0] == 400
    assert ask(managed, {"a": 1}).json() == {"a": 1}


def test_a_script_of_the_aws_container_gets_the_id_in_its_body(serving: Launch, folder: Path) -> None:
    """Where it says, as deep as it says."""
    served = serving("managed_sessions.py", **{ON: "true", "SAGEMAKER_SESSIONS_PATH": str(folder)})
    session = opened(served)
    assert ask(served, {"a": 1}, session).json() == {"a": 1, "metadata": {"session_id": session}}
    assert refusal(ask(served, {}, "unknown"))[0] == 400


# An engine's own sessions.


@pytest.fixture(scope="module")
def of_engine(serving: Launch) -> Served:
    return serving("engine_sessions.py")


def test_a_script_may_open_and_close_them_itself(of_engine: Served) -> None:
    """Switched on or not: ids are its engine's, which nobody looks up."""
    answer = ask(of_engine, NEW)
    assert (answer.status_code, answer.text) == (200, "Successfully created session: of-the-engine")
    assert answer.headers[OPENED] == "of-the-engine"
    assert ask(of_engine, {"a": 1}, "anything").json() == {"a": 1, "session_id": "anything"}
    closed = ask(of_engine, CLOSE, "of-the-engine")
    assert (closed.status_code, closed.text) == (200, "Successfully closed session: of-the-engine")
    assert closed.headers[CLOSED] == "of-the-engine"
    again = ask(of_engine, CLOSE, "of-the-engine")
    assert (again.status_code, again.text) == (404, "never heard of it")


@pytest.mark.parametrize(
    ("fails", "status", "said"),
    [
        ("raise", 500, "open_session raised RuntimeError: the engine is away"),
        ("refuse", 503, "room"),
        ("forget", 500, "Session ID not found in response"),
    ],
)
def test_what_fails_there_is_told(of_engine: Served, fails: str, status: int, said: str) -> None:
    """As in a handler, with the line of the user's code."""
    answer = ask(of_engine, NEW, **{"x-fail": fails})
    assert (answer.status_code, said in answer.text) == (status, True)


def test_who_opens_them_itself_closes_them_itself(serving: Launch, folder: Path) -> None:
    """The server knows nothing of the engine's; where it keeps its own, no more than that."""
    opens = serving("opens_engine_sessions.py")
    assert ask(opens, NEW).headers[OPENED] == "of-the-engine"
    assert refusal(ask(opens, CLOSE, "of-the-engine")) == (400, "Invalid payload. stateful sessions not enabled")
    both = serving("opens_engine_sessions.py", **{ON: "true", "SAGEMAKER_SESSIONS_PATH": str(folder)})
    assert refusal(ask(both, CLOSE, "x")) == (400, "Bad request: session not found: x")


def test_a_session_that_ends_before_its_first_request_does(launch: Launch, tmp_path: Path) -> None:
    """What is told is the handler's failure, not the session's."""
    given = {ON: "true", "SAGEMAKER_SESSIONS_PATH": str(tmp_path), "CUSTOM_SCRIPT_FILENAME": "closes_its_session.py"}
    served = launch(SCRIPTS, **given).ready()
    answer = ask(served, {}, "NEW_SESSION")
    assert (answer.status_code, OPENED in answer.headers) == (418, False)
    assert list(tmp_path.iterdir()) == []


def test_to_close_one_it_is_named(of_engine: Served) -> None:
    assert refusal(ask(of_engine, CLOSE)) == (400, "Session ID is required in request headers to close a session")


def test_check_names_them_and_a_folder_that_cannot_be(tmp_path: Path) -> None:
    given = {"HANDRAIL_ENGINE": "echo", "CUSTOM_SCRIPT_FILENAME": "engine_sessions.py"}
    assert "@register_create_session_handler:" in run("check", SCRIPTS, **given).stdout
    (tmp_path / "file").write_text("")
    given |= {ON: "true", "SAGEMAKER_SESSIONS_PATH": str(tmp_path / "file")}
    for command in ("check", "serve"):
        ended = run(command, SCRIPTS, **given)
        assert (ended.returncode, "where sessions cannot be kept" in ended.stdout + ended.stderr) == (2, True)
