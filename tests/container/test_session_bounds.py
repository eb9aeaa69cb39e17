"""How many sessions there may be, how expired ones make room, and whose folder they are kept in."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from handrail_container.process.exits import SettingsError
from handrail_container.routes.session_expiries import AT_ONCE, Expiries
from handrail_container.routes.session_layer import SessionLayer
from handrail_container.routes.session_store import Session, Sessions, find_sessions
from handrail_container.settings.fields import Settings
from starlette.exceptions import HTTPException


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path / "sessions", 1200, 2)


def ends(session: Session, at: float) -> None:
    (session.path / ".session").write_text(json.dumps({"created": 1, "expires": at}))


def refusal(sessions: Sessions) -> tuple[int, str]:
    with pytest.raises(HTTPException) as error:
        sessions.open()
    return error.value.status_code, error.value.detail


def test_one_more_is_503_until_one_is_closed(sessions: Sessions) -> None:
    """Those that the process before has left count, too."""
    first = sessions.open()
    sessions.open()
    root = first.path.parent
    for one in (sessions, Sessions(root, 1200, 2)):
        status, message = refusal(one)
        assert (status, "HANDRAIL_MAX_SESSIONS" in message, str(root) in message) == (503, True, False)
    assert len(list(root.iterdir())) == 2
    sessions.close(first.id)
    assert sessions.open().path.exists()


def test_one_that_another_process_closed_makes_room_once_it_is_missed(sessions: Sessions) -> None:
    first = sessions.open()
    sessions.open()
    Sessions(first.path.parent, 1200, 2).close(first.id)
    with pytest.raises(HTTPException):
        sessions.find(first.id)
    assert sessions.open().path.exists()


def test_expired_ones_make_room(tmp_path: Path) -> None:
    """The file has the last word: one that was prolonged stays, one that is gone is no obstacle."""
    sessions = Sessions(tmp_path, 1200, 3)
    longer, gone, expired = (sessions.open() for _ in range(3))
    ends(expired, time.time() - 1)
    shutil.rmtree(gone.path)
    for one in (longer, gone, expired):  # as they were once they had been opened
        sessions._expiries.discard(one.path.name)
        sessions._expiries.add(one.path.name, time.time() - 1)
    assert sessions.open().path.exists()
    assert (expired.path.exists(), longer.path.exists()) == (False, True)


def test_one_that_cannot_be_made_takes_no_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The client is told why, the log where."""
    root = tmp_path / "sessions"
    root.write_text("")
    sessions = Sessions(root, 1200, 1)
    with caplog.at_level(logging.ERROR, "handrail"):
        assert [refusal(sessions) for _ in range(2)] == [(500, "the session cannot be kept: File exists")] * 2
    assert str(root) in caplog.text
    root.unlink()
    assert sessions.open().path.exists()


def test_an_open_reads_no_other_session(sessions: Sessions, tmp_path: Path) -> None:
    """After the first, which reads the folder."""
    other = Sessions(tmp_path / "sessions", 1200, 9).open()
    sessions.open()
    read_at = 1_000_000_000
    os.utime(other.path / ".session", ns=(read_at, read_at))
    other.path.rename(other.path.with_name("elsewhere"))
    assert refusal(sessions)[0] == 503


def test_few_are_removed_at_once_and_none_is_kept_in_memory() -> None:
    expiries = Expiries()
    for number in range(AT_ONCE + 1):
        expiries.add(str(number), number)
    assert [len(expiries.due(1000)) for _ in range(3)] == [AT_ONCE, 1, 0]
    for number in range(1000):
        expiries.add("gone", number)
        expiries.discard("gone")
    assert len(expiries._heap) < 200
    assert expiries.due(5000) == []


def test_the_default_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the operator names is taken as it is: a volume may have any owner."""
    from handrail_container.routes import session_store as module

    monkeypatch.setattr(module, "_SHARED_MEMORY", tmp_path)
    folder = tmp_path / "sagemaker_sessions"
    folder.mkdir()
    on = {"SAGEMAKER_ENABLE_STATEFUL_SESSIONS": "1"}
    assert find_sessions(Settings(**on)) is not None
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(SettingsError, match=f"'{folder}' belongs to user {owner}, .* Remove that folder, or set"):
        find_sessions(Settings(**on))
    assert find_sessions(Settings(**on, SAGEMAKER_SESSIONS_PATH=str(folder))) is not None


class Watched(Sessions):
    """Sessions that note in which thread each is removed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, 1200, 2)
        self.threads: list[threading.Thread] = []

    def close(self, session_id: str) -> None:
        self.threads.append(threading.current_thread())
        super().close(session_id)


async def test_a_failed_first_request_has_its_files_removed_beside_the_event_loop(tmp_path: Path) -> None:
    """A handler may have written as many as its client says."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        (scope["state"]["session"].path / "file").write_text("one of many")
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    sent: list[str] = []
    sessions = Watched(tmp_path)
    headers = [(b"x-amzn-sagemaker-session-id", b"NEW_SESSION")]
    scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": headers, "state": {}}
    await SessionLayer(app, sessions, {})(scope, receive, send)
    assert sent == ["http.response.start", "http.response.body"]
    assert len(sessions.threads) == 1
    assert threading.current_thread() not in sessions.threads
    assert list(tmp_path.iterdir()) == []
