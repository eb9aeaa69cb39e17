"""examples/sessions: a chat that remembers, on the echo engine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.examples import EXAMPLES
from tests.servers import Served

HEADER = "X-Amzn-SageMaker-Session-Id"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("sessions")
    given = {"SAGEMAKER_ENABLE_STATEFUL_SESSIONS": "true", "SAGEMAKER_SESSIONS_PATH": str(folder / "kept")}
    server = Served(EXAMPLES / "sessions", folder / "log", HANDRAIL_ENGINE="echo", **given)
    yield server.ready()
    server.stop()


def ask(served: Served, body: Any, session: str = "") -> httpx.Response:
    return served.http.post("/invocations", json=body, headers={HEADER: session} if session else {})


def begun(served: Served) -> str:
    answer = ask(served, {"message": "one"}, "NEW_SESSION")
    assert answer.json() == {"answer": "one", "remembered": 2}
    return answer.headers["X-Amzn-SageMaker-New-Session-Id"].partition(";")[0]


def test_it_remembers_a_session(served: Served) -> None:
    """And not another's, nor one that is closed."""
    session, other = begun(served), begun(served)
    assert ask(served, {"message": "two"}, session).json() == {"answer": "two", "remembered": 4}
    assert ask(served, {"message": "three"}, session).json() == {"answer": "three", "remembered": 6}
    assert ask(served, {"message": "two"}, other).json()["remembered"] == 4
    assert ask(served, {"requestType": "CLOSE"}, session).status_code == 200
    assert ask(served, {"message": "four"}, session).status_code == 400


def test_without_a_session_it_answers_and_forgets(served: Served) -> None:
    for _ in range(2):
        assert ask(served, {"message": "one"}).json() == {"answer": "one", "remembered": 0}


def test_of_many_at_once_none_is_forgotten(served: Served) -> None:
    session = begun(served)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ask(served, {"message": str(number)}, session), range(10)))
    assert ask(served, {"message": "last"}, session).json()["remembered"] == 24


@pytest.mark.parametrize("body", [[], {}, {"message": 1}, "x"])
def test_what_is_no_message_is_400(served: Served, body: Any) -> None:
    assert ask(served, body).json()["error"]["message"] == 'send {"message": "…"}'
